//! What the operator offers, and what one unit of the machine has.

use std::time::Duration;

use bytemuck::Zeroable as _;
use gridlease_core::UnixTs;
use gridlease_core::gpu::nominal_mib;
use gridlease_core::requirement::{OfferSpec, flags};
use gridlease_sdk::account::{Offer, offer_state};
use gridlease_sdk::machine::MachineNumber;
use solana_pubkey::Pubkey;

use super::State;
use crate::gpu::{Gpu, Inventory};

/// What the operator offers.
#[derive(Clone, Debug)]
pub struct OfferPolicy {
    /// Number of the offer among the provider's; `None`: that of its machine, 0 for the first one.
    pub number: Option<u32>,
    /// Price per hour at which it stands, in atoms.
    pub ask: u64,
    /// Lowest price per hour of a bid, in atoms.
    pub floor: u64,
    /// May anybody enter it into auctions? Otherwise this node bids itself.
    pub auto_bid: bool,
    /// Leases at the same time.
    pub units: u16,
    /// CPU of one unit in thousandths of a core; `None`: the machine's, divided by the units.
    pub cpu_milli: Option<u32>,
    /// Memory of one unit in MiB; `None`: nine tenths of the machine's, divided by the units.
    pub memory_mib: Option<u32>,
    /// Disk of one unit in MiB; `None`: eight tenths of what is free, divided by the units.
    pub disk_mib: Option<u32>,
    /// Region number, see `gridlease_core::gpu::REGIONS`.
    pub region: u8,
    /// Downstream bandwidth in Mbit/s.
    pub down_mbit: u32,
    /// Upstream bandwidth in Mbit/s.
    pub up_mbit: u32,
    /// May leases reach the public internet? Where the machine cannot fence them, it is not offered whatever this says.
    pub egress: bool,
    /// Life of the offer without a refresh; it is refreshed after a third of it.
    pub life: Duration,
}

impl Default for OfferPolicy {
    fn default() -> Self {
        Self {
            number: None,
            ask: 1_000_000,
            floor: 500_000,
            auto_bid: true,
            units: 1,
            cpu_milli: None,
            memory_mib: None,
            disk_mib: None,
            region: 0,
            down_mbit: 0,
            up_mbit: 0,
            egress: false,
            life: Duration::from_secs(900),
        }
    }
}

/// What an offer's owner can change at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Price per hour at which it stands, in atoms.
    pub ask: u64,
    /// Lowest price per hour of an automatic bid, in atoms.
    pub floor: u64,
    /// Until when it lives.
    pub expires: UnixTs,
    /// Leases at the same time.
    pub units: u16,
    /// May anybody enter it into auctions?
    pub auto_bid: bool,
}

/// Why a machine cannot be offered as the operator says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// More units than GPUs allow.
    #[error("{gpus} GPUs cannot be divided into {units} equal units; set --units to a divisor of {gpus}")]
    Units {
        /// GPUs of the machine.
        gpus: usize,
        /// Units asked for.
        units: u16,
    },
    /// GPUs of different kinds cannot stand in one offer.
    #[error("this machine has different GPUs ({first} and {other}); offer one kind per node")]
    Mixed {
        /// The first one.
        first: String,
        /// Another one.
        other: String,
    },
    /// More was promised than the machine has.
    #[error("{units} units of {unit} {what} are more than this machine's {have}; lower --units or the size of a unit")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// Units.
        units: u16,
        /// Promised per unit.
        unit: u64,
        /// What there is.
        have: u64,
    },
    /// No units.
    #[error("--units must be at least 1")]
    NoUnits,
}

/// What one unit of this machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The specification, as it stands in the offer.
    pub spec: OfferSpec,
    /// The UUIDs of the GPUs of each unit.
    pub gpus: Vec<Vec<String>>,
}

impl OfferPolicy {
    /// Number of the offer of `machine`: numbers are the provider's, so that each machine has its own by default.
    #[must_use]
    pub fn number_for(&self, machine: MachineNumber) -> u32 {
        self.number.unwrap_or(match machine {
            MachineNumber::First => 0,
            MachineNumber::Further(number) => number,
        })
    }

    /// Divides the machine into units.
    ///
    /// # Errors
    /// [`OfferError`] where the machine does not have what the policy promises.
    pub fn unit(&self, machine: &Inventory) -> Result<Unit, OfferError> {
        if self.units == 0 {
            return Err(OfferError::NoUnits);
        }
        let units = u64::from(self.units);
        let gpus = machine.gpus.len();
        let each = gpus / usize::from(self.units);
        if !gpus.is_multiple_of(usize::from(self.units)) || (gpus > 0 && each == 0) {
            return Err(OfferError::Units { gpus, units: self.units });
        }
        let first = machine.gpus.first();
        if let Some((first, other)) =
            first.and_then(|first| machine.gpus.iter().find(|gpu| !is_alike(first, gpu)).map(|other| (first, other)))
        {
            return Err(OfferError::Mixed { first: named(first), other: named(other) });
        }
        let host = &machine.host;
        let share = |what, unit: Option<u32>, have: u64, usable: u64| {
            let unit = unit.map_or(usable / units, u64::from);
            if unit.saturating_mul(units) > have {
                return Err(OfferError::TooMuch { what, units: self.units, unit, have });
            }
            Ok(u32::try_from(unit).unwrap_or(u32::MAX))
        };
        let cores = u64::from(host.cpu_cores) * 1_000;
        let (model, vram, capability) = first.map_or((0, 0, (0, 0)), |gpu| {
            (gridlease_core::gpu::model_id(&gpu.model).unwrap_or(0), gpu.vram_mib, gpu.compute_capability)
        });
        let cuda = machine.cuda.unwrap_or((0, 0));
        let class = if gpus == 0 { flags::CPU_CLASS } else { 0 };
        let flags = class | if self.egress { flags::EGRESS } else { 0 };
        let spec = OfferSpec {
            gpu_model: model,
            gpu_count: u8::try_from(each).unwrap_or(u8::MAX),
            vram_mib: u32::try_from(vram).unwrap_or(u32::MAX),
            compute_capability: u16::try_from(capability.0 * 10 + capability.1).unwrap_or(0),
            cuda: u16::try_from(cuda.0 * 100 + cuda.1).unwrap_or(0),
            cpu_milli: share("millicores", self.cpu_milli, cores, cores)?,
            memory_mib: share("MiB of memory", self.memory_mib, host.memory_mib, host.memory_mib / 10 * 9)?,
            disk_mib: share("MiB of disk", self.disk_mib, host.disk_mib, host.disk_mib / 10 * 8)?,
            region: self.region,
            down_mbit: self.down_mbit,
            up_mbit: self.up_mbit,
            flags,
        };
        let uuids: Vec<String> = machine.gpus.iter().map(|gpu| gpu.uuid.clone()).collect();
        let gpus = if each == 0 {
            vec![Vec::new(); usize::from(self.units)]
        } else {
            uuids.chunks(each).map(<[String]>::to_vec).collect()
        };
        Ok(Unit { spec, gpus })
    }
}

impl OfferPolicy {
    /// What the offer's owner can change at any time, as the operator wants it from `now` on.
    #[must_use]
    pub fn terms(&self, now: UnixTs) -> Terms {
        Terms {
            ask: self.ask,
            floor: self.floor,
            expires: UnixTs(now.0.saturating_add(self.life.as_secs())),
            units: self.units,
            auto_bid: self.auto_bid,
        }
    }

    /// Whether all units as they were promised are more than the disk has room for (MiB).
    #[must_use]
    pub fn oversells(&self, promised: &OfferSpec, room_mib: u64) -> bool {
        u64::from(promised.disk_mib).saturating_mul(self.units.into()) > room_mib
    }

    /// What a unit may be offered with where the disk has so much room for all of them (MiB): no more than the unit has, and
    /// eight tenths of the room, because results are kept for seven days.
    #[must_use]
    pub fn within(&self, unit: OfferSpec, room_mib: u64) -> OfferSpec {
        let share = room_mib / 10 * 8 / u64::from(self.units.max(1));
        OfferSpec { disk_mib: unit.disk_mib.min(u32::try_from(share).unwrap_or(u32::MAX)), ..unit }
    }
}

/// The offer that the machine would have, as far as a job can tell.
pub(super) fn would_be(state: &State<'_>, provider: &Pubkey) -> Offer {
    let (policy, spec) = (state.policy, state.policy.within(state.unit.spec, state.room()));
    let gpus = u16::from(spec.gpu_count).saturating_mul(policy.units);
    let stake_limit = state.rules.map_or(u64::MAX, |rules| rules.limit.saturating_sub(rules.allotted).0);
    let mut offer = Offer {
        provider: *provider,
        ask: policy.ask,
        floor: policy.floor,
        units: policy.units,
        units_free: policy.units,
        auto_bid: policy.auto_bid.into(),
        claimed: gpus,
        machine: state.machine.address,
        stake_limit,
        ..Offer::zeroed()
    };
    offer.header.state = offer_state::LIVE;
    // It would be made to live as long as an auction wants it to.
    offer.header.due_ts = u64::MAX;
    offer.spec.gpu_model = spec.gpu_model;
    offer.spec.gpu_count = spec.gpu_count;
    offer.spec.vram_mib = spec.vram_mib;
    offer.spec.compute_capability = spec.compute_capability;
    offer.spec.cuda = spec.cuda;
    offer.spec.cpu_milli = spec.cpu_milli;
    offer.spec.memory_mib = spec.memory_mib;
    offer.spec.disk_mib = spec.disk_mib;
    offer.spec.region = spec.region;
    offer.spec.down_mbit = spec.down_mbit;
    offer.spec.up_mbit = spec.up_mbit;
    offer.spec.flags = spec.flags;
    offer
}

/// Can these stand in one offer? Their memory counts as it is printed on the box; of models that nobody listed the names do.
fn is_alike(one: &Gpu, other: &Gpu) -> bool {
    let id = |gpu: &Gpu| gridlease_core::gpu::model_id(&gpu.model).unwrap_or(0);
    let memory = |gpu: &Gpu| nominal_mib(id(gpu), u32::try_from(gpu.vram_mib).unwrap_or(u32::MAX));
    one.model == other.model && memory(one) == memory(other) && (id(one) != 0 || one.name == other.name)
}

fn named(gpu: &Gpu) -> String {
    format!("{} with {} MiB", gpu.name, gpu.vram_mib)
}

/// SHA-256 over the sorted GPU UUIDs, one a line; zero for none.
#[must_use]
pub fn gpu_root(uuids: &[String]) -> [u8; 32] {
    use sha2::Digest as _;
    if uuids.is_empty() {
        return [0; 32];
    }
    let mut sorted: Vec<&str> = uuids.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sha2::Sha256::digest(sorted.join("\n")).into()
}
