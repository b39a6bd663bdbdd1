mod books;
mod preflight;
mod press;
mod redrive;
mod scale;
mod slow;
mod stage;
mod test_send;
