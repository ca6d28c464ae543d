//! Real parts for the tests: a registry process, and a TLS server.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod node;
pub mod registry;

use std::net::TcpListener;

/// A port on this machine that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
