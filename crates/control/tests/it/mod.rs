mod books;
mod preflight;
mod press;
mod stage;
