//! The Gridlease node: takes leases on a machine's GPUs and runs them in containers.
//!
//! | module | purpose |
//! |---|---|
//! | [`gpu`] | what the machine offers, and whether it is healthy |
//! | [`driver`] | the container engine behind a trait |
//! | [`disk`] | what a lease may write to the disk, and what holds it to that |
//! | [`net`] | the network of a lease: bridge, firewall, resolver |
//! | [`store`] | what must survive a crash |
//! | [`logs`], [`outputs`], [`inputs`], [`pushes`] | what goes in and comes out of a container |
//! | [`secrets`] | what is sealed to a lease, in memory only |
//! | [`probes`] | whether a job's service is up |
//! | [`doors`], [`public_certificate`] | which ports anybody may visit, and the certificate at their names |
//! | [`api`], [`tls`], [`board`] | what a buyer talks to and sees |
//! | [`lease_events`] | what happened to a lease, as it is handed over |
//! | [`stats`] | what the containers use |
//! | [`runnable`] | which manifests the node runs |
//! | [`market`] | what to offer, what to bid and what to leave alone, as a pure function |
//! | [`lease`] | what to do next, as a pure function, and the stages that do what concerns this machine |
//! | [`for_buyer`] | what a buyer is told of a failure |
//! | [`sold`] | what a lease was sold as, against what its manifest asks |
//! | [`dangling`] | ends containers that no lease needs |
//! | [`layout`], [`wipe`], [`clock`], [`descriptors`] | files and time |

pub mod agent;
pub mod api;
pub mod clock;
pub mod dangling;
pub mod descriptors;
pub mod disk;
pub mod doors;
pub mod driver;
pub mod for_buyer;
pub mod gpu;
pub mod inputs;
pub mod lease;
pub mod lease_board;
pub mod lease_events;
pub mod logs;
pub mod market;
pub mod net;
pub mod outputs;
pub mod probes;
pub mod public_certificate;
pub mod pushes;
pub mod runnable;
pub mod secrets;
pub mod sold;
pub mod state_dir;
pub mod stats;
pub mod store;
pub mod tls;
pub mod wipe;
