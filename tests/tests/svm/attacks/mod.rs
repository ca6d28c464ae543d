//! Attacks, one module a theme: each begins with somebody who wants another's money, stake, rent or lease, or to be in its
//! way. `docs/THREATS.md` says of every attack where it is stopped and which test tries it.

mod batch;
mod clock;
mod collide;
mod deadlines;
mod frozen;
mod griefing;
mod load;
mod order;
mod revive;
mod self_dealing;
mod threats;
mod tiny;
