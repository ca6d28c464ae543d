//! An offer satisfies what was read off itself, and every single field that it misses is named with both values.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use gridlease_core::gpu::{
    MODELS, REGIONS, model_bit, model_id, model_name, nominal_mib, region_bit, region_id, region_name,
};
use gridlease_core::requirement::{Field, OfferSpec, Requirement, Standing, Unmet, flags, satisfies};
use gridlease_core::{Atoms, Bps, RuleError};
use proptest::prelude::*;

fn models() -> u8 {
    u8::try_from(MODELS.len()).unwrap()
}

/// Offers with a GPU, every quantity above zero so that it can be weakened, and a region that is told.
fn offer() -> impl Strategy<Value = OfferSpec> {
    let gpu = (0..models(), 1u8..=16, 1u32..500_000, 1u16..200, 1u16..2_000);
    let machine = (1u32..512_000, 1u32..4_000_000, 1u32..8_000_000, 1u8..10, 1u32..100_000, 1u32..100_000);
    (gpu, machine, 0u32..16).prop_map(|(gpu, machine, flags)| OfferSpec {
        gpu_model: gpu.0,
        gpu_count: gpu.1,
        vram_mib: gpu.2,
        compute_capability: gpu.3,
        cuda: gpu.4,
        cpu_milli: machine.0,
        memory_mib: machine.1,
        disk_mib: machine.2,
        region: machine.3,
        down_mbit: machine.4,
        up_mbit: machine.5,
        flags,
    })
}

fn standing() -> impl Strategy<Value = Standing> {
    (1u64.., 1u16..=10_000)
        .prop_map(|(stake, reputation)| Standing { stake: Atoms(stake), reputation: Bps(reputation) })
}

/// The requirement that names exactly what an offer has.
fn exactly(offer: &OfferSpec, standing: &Standing) -> Requirement {
    Requirement {
        gpu_models: model_bit(offer.gpu_model),
        gpu_count: offer.gpu_count,
        vram_mib: nominal_mib(offer.gpu_model, offer.vram_mib),
        compute_capability: offer.compute_capability,
        cuda: offer.cuda,
        cpu_milli: offer.cpu_milli,
        memory_mib: offer.memory_mib,
        disk_mib: offer.disk_mib,
        regions: region_bit(offer.region),
        down_mbit: offer.down_mbit,
        up_mbit: offer.up_mbit,
        flags: offer.flags,
        min_stake: standing.stake,
        min_reputation: standing.reputation,
    }
}

type Weaken = fn(&mut OfferSpec, &mut Standing);

/// One way to weaken each field that is a quantity, but for the GPU memory, which is compared by its nominal size.
const WEAKENED: [(Field, Weaken); 10] = [
    (Field::GpuCount, |offer, _| offer.gpu_count -= 1),
    (Field::ComputeCapability, |offer, _| offer.compute_capability -= 1),
    (Field::Cuda, |offer, _| offer.cuda -= 1),
    (Field::Cpu, |offer, _| offer.cpu_milli -= 1),
    (Field::Memory, |offer, _| offer.memory_mib -= 1),
    (Field::Disk, |offer, _| offer.disk_mib -= 1),
    (Field::Down, |offer, _| offer.down_mbit -= 1),
    (Field::Up, |offer, _| offer.up_mbit -= 1),
    (Field::Stake, |_, standing| standing.stake.0 -= 1),
    (Field::Reputation, |_, standing| standing.reputation.0 -= 1),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn an_offer_satisfies_what_was_read_off_itself(offer in offer(), standing in standing()) {
        prop_assert_eq!(offer.check(), Ok(()));
        let need = exactly(&offer, &standing);
        prop_assert_eq!(need.check(), Ok(()));
        prop_assert_eq!(satisfies(&offer, &standing, &need), Ok(()));
        prop_assert_eq!(satisfies(&offer, &standing, &Requirement { flags: flags::SPOT, ..Requirement::default() }), Ok(()));
    }

    #[test]
    fn each_single_weakened_quantity_is_named(offer in offer(), standing in standing()) {
        let need = exactly(&offer, &standing);
        for (field, weaken) in WEAKENED {
            let (mut weaker, mut less) = (offer, standing);
            weaken(&mut weaker, &mut less);
            let unmet = satisfies(&weaker, &less, &need).unwrap_err();
            prop_assert_eq!(unmet.field, field);
            prop_assert_eq!(unmet.offered + 1, unmet.required);
            prop_assert_eq!(RuleError::from(unmet), RuleError::Unsatisfied);
        }
    }

    #[test]
    fn a_mib_more_than_the_nominal_memory_is_named_with_the_nominal_memory(offer in offer(), standing in standing()) {
        let need = exactly(&offer, &standing);
        let more = Requirement { vram_mib: need.vram_mib + 1, ..need };
        let (required, offered) = (more.vram_mib.into(), need.vram_mib.into());
        prop_assert_eq!(satisfies(&offer, &standing, &more), Err(Unmet { field: Field::Vram, required, offered }));
    }

    #[test]
    fn another_model_region_or_flag_is_named_with_its_mask(offer in offer(), standing in standing(), by in 1u8..9) {
        let need = exactly(&offer, &standing);
        let model = (offer.gpu_model + by) % models();
        prop_assert_eq!(
            satisfies(&OfferSpec { gpu_model: model, ..offer }, &standing, &need),
            Err(Unmet { field: Field::GpuModel, required: need.gpu_models, offered: model_bit(model) })
        );
        let region = (offer.region - 1 + by) % 9 + 1;
        prop_assert_eq!(
            satisfies(&OfferSpec { region, ..offer }, &standing, &need),
            Err(Unmet { field: Field::Region, required: need.regions.into(), offered: region_bit(region).into() })
        );
        for flag in [flags::TEE, flags::STATIC_IP, flags::EGRESS, flags::CPU_CLASS] {
            let without = OfferSpec { flags: offer.flags & !flag, ..offer };
            let wanted = Requirement { flags: need.flags | flag, ..need };
            prop_assert_eq!(satisfies(&without, &standing, &wanted).unwrap_err().field, Field::Flags);
        }
    }

    #[test]
    fn the_first_of_several_failures_is_named_in_the_order_of_the_fields(
        offer in offer(), standing in standing(), which in prop::collection::btree_set(0usize..10, 1..10),
    ) {
        let need = exactly(&offer, &standing);
        let (mut weaker, mut less) = (offer, standing);
        for at in &which {
            WEAKENED[*at].1(&mut weaker, &mut less);
        }
        let first = WEAKENED[*which.first().unwrap()].0;
        prop_assert_eq!(satisfies(&weaker, &less, &need).unwrap_err().field, first);
    }

    #[test]
    fn asking_for_less_never_fails_where_asking_for_more_did_not(
        offer in offer(), standing in standing(), other in offer(), low in standing(),
    ) {
        let need = exactly(&offer, &standing);
        let less = Requirement {
            gpu_count: need.gpu_count.min(other.gpu_count),
            vram_mib: need.vram_mib.min(other.vram_mib),
            cuda: need.cuda.min(other.cuda),
            cpu_milli: need.cpu_milli.min(other.cpu_milli),
            memory_mib: need.memory_mib.min(other.memory_mib),
            disk_mib: need.disk_mib.min(other.disk_mib),
            min_stake: need.min_stake.min(low.stake),
            min_reputation: need.min_reputation.min(low.reputation),
            regions: need.regions | region_bit(other.region),
            gpu_models: need.gpu_models | model_bit(other.gpu_model),
            ..need
        };
        prop_assert_eq!(satisfies(&offer, &standing, &less), Ok(()));
    }
}

#[test]
fn a_spot_machine_is_taken_only_by_a_job_that_accepts_it() {
    let spot = OfferSpec { flags: flags::SPOT, ..OfferSpec::default() };
    let plain = OfferSpec::default();
    let accepts = Requirement { flags: flags::SPOT, ..Requirement::default() };
    let refused = satisfies(&spot, &Standing::default(), &Requirement::default()).unwrap_err();
    assert_eq!(refused.field, Field::Flags);
    assert_eq!(satisfies(&spot, &Standing::default(), &accepts), Ok(()));
    assert_eq!(satisfies(&plain, &Standing::default(), &accepts), Ok(()), "accepting is not demanding");
}

#[test]
fn a_job_without_a_gpu_runs_on_a_machine_with_or_without_one() {
    let need = Requirement { cpu_milli: 1_000, ..Requirement::default() };
    let cpu = OfferSpec { cpu_milli: 1_000, memory_mib: 1, flags: flags::CPU_CLASS, ..OfferSpec::default() };
    let gpu = OfferSpec { cpu_milli: 1_000, memory_mib: 1, gpu_count: 1, gpu_model: 1, ..OfferSpec::default() };
    assert_eq!((cpu.check(), gpu.check()), (Ok(()), Ok(())));
    assert_eq!(satisfies(&cpu, &Standing::default(), &need), Ok(()));
    assert_eq!(satisfies(&gpu, &Standing::default(), &need), Ok(()));
    let class = Requirement { flags: flags::CPU_CLASS, ..need };
    assert_eq!(satisfies(&gpu, &Standing::default(), &class).unwrap_err().field, Field::Flags);
}

#[test]
fn a_machine_without_a_gpu_says_so_and_claims_nothing_of_one() {
    let cpu = OfferSpec { cpu_milli: 1, memory_mib: 1, flags: flags::CPU_CLASS, ..OfferSpec::default() };
    assert_eq!(cpu.check(), Ok(()));
    let wrong = [
        OfferSpec { flags: 0, ..cpu },
        OfferSpec { gpu_count: 1, ..cpu },
        OfferSpec { gpu_model: 1, ..cpu },
        OfferSpec { vram_mib: 1, ..cpu },
        OfferSpec { compute_capability: 1, ..cpu },
        OfferSpec { cuda: 1, ..cpu },
        OfferSpec { cpu_milli: 0, ..cpu },
        OfferSpec { memory_mib: 0, ..cpu },
        OfferSpec { region: 10, ..cpu },
        OfferSpec { gpu_count: 1, gpu_model: models(), flags: 0, ..cpu },
        OfferSpec { flags: flags::CPU_CLASS | 1 << 5, ..cpu },
    ];
    for offer in wrong {
        assert_eq!(offer.check(), Err(RuleError::InvalidSpec), "{offer:?}");
    }
}

#[test]
fn a_requirement_with_unknown_bits_or_gpu_fields_without_a_gpu_is_refused() {
    let any = Requirement::default();
    assert_eq!(any.check(), Ok(()));
    let wrong = [
        Requirement { gpu_models: 1 << models(), gpu_count: 1, ..any },
        Requirement { regions: 1 << 10, ..any },
        Requirement { flags: 1 << 5, ..any },
        Requirement { gpu_models: 1, ..any },
        Requirement { vram_mib: 1, ..any },
        Requirement { compute_capability: 1, ..any },
        Requirement { cuda: 1, ..any },
    ];
    for need in wrong {
        assert_eq!(need.check(), Err(RuleError::InvalidSpec), "{need:?}");
    }
    assert_eq!(Requirement { min_reputation: Bps(10_001), ..any }.check(), Err(RuleError::BpsOutOfBounds));
}

#[test]
fn a_failure_reads_as_a_sentence_with_both_values() {
    let unmet = Unmet { field: Field::Vram, required: 24_576, offered: 16_384 };
    assert_eq!(unmet.to_string(), "GPU memory (MiB): the job needs 24576, the offer has 16384");
}

#[test]
fn a_failed_mask_is_told_by_the_names_of_its_bits() {
    let words = |field, required, offered| Unmet { field, required, offered }.to_string();
    let models = words(Field::GpuModel, model_bit(1) | model_bit(7), model_bit(12));
    assert_eq!(models, "GPU model: the job needs h100, a100, the offer has l40s");
    assert_eq!(words(Field::Region, 1 << 1 | 1 << 2, 1 << 6), "region: the job needs eu, us, the offer has asia");
    let needed = flags::TEE | flags::EGRESS;
    assert_eq!(words(Field::Flags, needed.into(), 0), "flags: the job needs TEE, egress, the offer has none");
    assert_eq!(flags::NAMES.len(), flags::KNOWN.count_ones() as usize);
}

#[test]
fn a_field_is_told_by_its_place_among_all() {
    for (place, field) in Field::ALL.into_iter().enumerate() {
        assert_eq!(field as usize, place, "{field:?}");
    }
}

#[test]
fn names_and_numbers_of_models_and_regions_belong_together() {
    for (id, name) in (0u8..).zip(MODELS) {
        assert_eq!((model_id(name), model_name(id)), (Some(id), Some(name)));
        assert_eq!(model_bit(id), 1 << id);
    }
    for (id, name) in (0u8..).zip(REGIONS) {
        assert_eq!((region_id(name), region_name(id)), (Some(id), Some(name)));
        assert_eq!(region_bit(id), 1 << id);
    }
    for unknown in [models(), 128, 255] {
        assert_eq!(
            (model_name(unknown), model_bit(unknown), region_name(unknown), region_bit(unknown)),
            (None, 0, None, 0)
        );
    }
    assert_eq!((model_id("h999"), region_id("moon")), (None, None));
}
