//! The stand-in gateways alone, for a quick look: `cargo run --release -p loadtest --example gateways`.

use clap::Parser;
use loadtest::gateways::{GatewayArgs, GatewayError, run_blocking};

/// Stand-in APNs and FCM gateways; one line of JSON on standard output says where they listen.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    gateways: GatewayArgs,
}

fn main() -> Result<(), GatewayError> {
    run_blocking(Flags::parse().gateways)
}
