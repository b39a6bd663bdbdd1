mod books;
mod preflight;
mod press;
mod redrive;
mod scale;
mod stage;
mod test_send;
