mod access;
mod bad_input;
mod demo;
mod kill;
mod night;
mod runbook;
mod support;
mod webhooks;
