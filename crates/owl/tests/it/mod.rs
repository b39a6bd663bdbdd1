mod access;
mod bad_input;
mod demo;
mod kill;
mod night;
mod once;
mod runbook;
mod support;
