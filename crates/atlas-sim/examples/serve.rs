//! The simulated clouds as a server, until standard input closes: `cargo run -p atlas-machines-sim --features server
//! --example serve [PORT]`. The first line says where they are; `atlas sim` is the same with more words.
#![expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]
#![expect(clippy::disallowed_methods, reason = "a program has no seams")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use atlas_sim::server::Server;
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let running = Server::builder().listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).start().await?;
    println!("{}", running.announcement());
    stdin().read_to_end(&mut Vec::new()).await?;
    running.shutdown().await;
    Ok(())
}
