//! What to do next, as a table.

use super::*;
use crate::store::Times;

const DEADLINE: i64 = 1_000;
const RUNWAY: i64 = 5_000;
const READY: Local = Local::HERE;

fn record(phase: Phase) -> LeaseRecord {
    let mut record = LeaseRecord::some();
    record.reach(phase);
    record
}

fn started() -> LeaseRecord {
    let mut record = record(Phase::Started);
    record.started_at_ms = Some(900_000);
    record
}

fn ready() -> LeaseRecord {
    let mut record = started();
    record.reach(Phase::ReadyPosted);
    record
}

fn ended(code: i64) -> LeaseRecord {
    let mut record = ready();
    record.reach(Phase::Exited);
    record.ended = Some(Ended { code, oom_killed: false, at_ms: 2_000_000, lost: false });
    record
}

fn collected() -> LeaseRecord {
    let mut record = ended(0);
    record.reach(Phase::OutputsCollected);
    record.output_root = Some([7; 32]);
    record
}

fn chain(state: ChainState) -> ChainLease {
    let runway_end = if state == ChainState::Starting { 0 } else { RUNWAY };
    ChainLease { state, start_deadline: DEADLINE, want_deadline: DEADLINE / 2, runway_end, seen_at: 0 }
}

fn exited() -> ContainerState {
    ContainerState::Exited(Exit { code: 3, oom_killed: true, started_at_ms: 900_000, finished_at_ms: 2_000_000 })
}

const RUNNING: ContainerState = ContainerState::Running { started_at_ms: 900_000, paused: false };

#[test]
fn before_the_start_each_need_is_met_in_order() {
    use ContainerState::{Created, Missing};
    let local = |manifest, inputs| Local { manifest, inputs, ..READY };
    // Shortly before half of the time to start is over, the last moment at which a node can say that it was not given something.
    let until = DEADLINE / 2 - WANT_MARGIN_S;
    for (phase, container, local, action) in [
        (Phase::Won, Missing, local(Need::Fetch, Need::Here), Action::Do(StageName::Manifest)),
        (Phase::Won, Missing, local(Need::Await, Need::Here), Action::AwaitBuyer { until }),
        (Phase::Won, Missing, local(Need::Here, Need::Fetch), Action::Do(StageName::Inputs)),
        (Phase::Won, Missing, local(Need::Here, Need::Await), Action::AwaitBuyer { until }),
        (Phase::Won, Missing, READY, Action::Do(StageName::Image)),
        (Phase::InputsReady, Missing, READY, Action::Do(StageName::Image)),
        (Phase::Pulling, Missing, READY, Action::Do(StageName::Image)),
        (Phase::Pulled, Missing, READY, Action::Do(StageName::Container)),
        (Phase::Pulled, Created, READY, Action::Do(StageName::Start)),
        (Phase::Created, Created, READY, Action::Do(StageName::Start)),
        (Phase::Created, Missing, READY, Action::Do(StageName::Container)),
    ] {
        for state in [ChainState::Starting, ChainState::Unknown] {
            let waits = matches!(action, Action::AwaitBuyer { .. });
            let now = if waits { until - 1 } else { DEADLINE };
            let got = next(&record(phase.clone()), &container, &chain(state), &local, now);
            assert_eq!(got, action, "{phase:?} {container:?} {state:?}");
        }
    }
    let late =
        next(&record(Phase::Won), &Missing, &chain(ChainState::Starting), &local(Need::Await, Need::Here), until);
    assert!(matches!(late, Action::Record(Note::Failed(_, Blame::Buyer))), "r05: a want, and no fault: {late:?}");
}

#[test]
fn threat_10_a_source_that_trickles_or_is_down_is_a_want_of_the_buyers_and_no_fault_of_the_node() {
    let until = DEADLINE / 2 - WANT_MARGIN_S;
    let at = |manifest, inputs, state, now| {
        let local = Local { manifest, inputs, ..READY };
        next(&record(Phase::Won), &ContainerState::Missing, &chain(state), &local, now)
    };
    for (manifest, inputs) in [(Need::Fetch, Need::Here), (Need::Here, Need::Fetch)] {
        let starting = |now| at(manifest, inputs, ChainState::Starting, now);
        assert!(matches!(starting(until - 1), Action::Do(_)));
        for now in [until, DEADLINE / 2] {
            let told = starting(now);
            let Action::Record(Note::Failed(words, Blame::Buyer)) = &told else { panic!("{told:?}") };
            assert!(words.contains("could not be loaded from where"), "{words}");
        }
        assert!(
            matches!(starting(DEADLINE / 2 + 1), Action::Do(_)),
            "nobody can be told any more, and it may still come"
        );
        assert!(matches!(at(manifest, inputs, ChainState::Unknown, until), Action::Do(_)));
    }
}

#[test]
fn a_container_is_made_when_its_network_stands_and_not_before() {
    let at = |container: &ContainerState, network| {
        let local = Local { network, ..READY };
        next(&record(Phase::Pulled), container, &chain(ChainState::Starting), &local, 10)
    };
    assert_eq!(at(&ContainerState::Missing, false), Action::Do(StageName::Network));
    assert_eq!(at(&ContainerState::Missing, true), Action::Do(StageName::Container));
    assert_eq!(at(&ContainerState::Created, false), Action::Do(StageName::Start), "which looks after it once more");
}

#[test]
fn a_job_s_own_container_is_made_when_its_services_are_up_and_given_up_with_one_that_ended() {
    let at = |services: Services, now| {
        let local = Local { services, ..READY };
        next(&record(Phase::Pulled), &ContainerState::Missing, &chain(ChainState::Starting), &local, now)
    };
    let last = DEADLINE - PROBE_MARGIN_S;
    assert_eq!(at(Services::Due, 10), Action::Do(StageName::Services));
    assert_eq!(at(Services::Up, 10), Action::Do(StageName::Container));
    assert_eq!(at(Services::Silent("port 80".to_owned()), last - 1), Action::AwaitProbe);
    let full = Local { disk_full: true, ..READY };
    let given_up = next(&record(Phase::Pulled), &ContainerState::Missing, &chain(ChainState::Starting), &full, 10);
    assert!(matches!(given_up, Action::Record(Note::Failed(_, Blame::Engine { exit_code: 125 }))), "{given_up:?}");
    assert_eq!(at(Services::Unasked, last), Action::AwaitProbe, "the node's own trouble is not the buyer's");
    for (services, now) in [(Services::Silent("port 80".to_owned()), last), (Services::Down("db ended".to_owned()), 10)]
    {
        let given_up = at(services, now);
        assert!(matches!(given_up, Action::Record(Note::Failed(_, Blame::Engine { exit_code: 125 }))), "{given_up:?}");
    }
}

#[test]
fn a_start_is_given_up_after_the_deadline_and_its_slack_and_not_a_second_before() {
    let at = |now, state| next(&record(Phase::Pulled), &ContainerState::Missing, &chain(state), &READY, now);
    let last = DEADLINE + DEADLINE_SLACK_S;
    assert_eq!(at(last, ChainState::Starting), Action::Do(StageName::Container));
    assert!(matches!(at(last + 1, ChainState::Starting), Action::Record(Note::Failed(..))));
    assert_eq!(at(last + 1, ChainState::Unknown), Action::AwaitChain, "without the chain's word nothing is given up");
    let running = |now| next(&started(), &RUNNING, &chain(ChainState::Starting), &READY, now);
    assert_eq!(running(last), Action::PostReady);
    assert_eq!(running(last + 1), Action::Stop(StopReason::TooLate));
}

#[test]
fn a_given_up_start_is_told_to_the_chain_and_then_cleared() {
    let failed = record(Phase::Failed { reason: "no image".to_owned() });
    let at = |record: &LeaseRecord, state, now| next(record, &ContainerState::Created, &chain(state), &READY, now);
    assert_eq!(at(&failed, ChainState::Starting, 10), Action::PostFailed);
    assert_eq!(at(&failed, ChainState::Unknown, 10), Action::AwaitChain);
    assert_eq!(at(&failed, ChainState::Failed, 10), Action::Do(StageName::Wipe));
    let mut posted = failed;
    posted.finished_at_ms = Some(10_000);
    assert_eq!(at(&posted, ChainState::Starting, 39), Action::AwaitChain);
    assert_eq!(at(&posted, ChainState::Starting, 40), Action::PostFailed, "posted, but never seen on the chain");
}

#[test]
fn a_running_container_is_reported_watched_and_left_alone() {
    let at = |record: &LeaseRecord, state, now| next(record, &RUNNING, &chain(state), &READY, now);
    assert_eq!(at(&record(Phase::Created), ChainState::Starting, 10), Action::Record(Note::Started(900_000)));
    assert_eq!(at(&started(), ChainState::Starting, DEADLINE), Action::PostReady);
    assert_eq!(at(&started(), ChainState::Running, 2_000), Action::Record(Note::Ready));
    for state in [ChainState::Running, ChainState::Paused] {
        assert_eq!(at(&ready(), state, RUNWAY - 1), Action::Watch { until: Some(RUNWAY) });
    }
}

#[test]
fn a_start_is_reported_when_the_probes_answer_and_given_up_shortly_before_its_deadline_where_they_do_not() {
    let silent = Local { probes: Probes::Wrong, ..READY };
    let at = |record: &LeaseRecord, state, local: &Local, now| next(record, &RUNNING, &chain(state), local, now);
    let last = DEADLINE - PROBE_MARGIN_S;
    assert_eq!(at(&started(), ChainState::Starting, &silent, last - 1), Action::AwaitProbe);
    assert_eq!(at(&started(), ChainState::Starting, &silent, last), Action::Record(Note::Unready));
    assert_eq!(at(&started(), ChainState::Starting, &READY, last), Action::PostReady, "it answered in the last moment");
    for now in [last - 1, last, DEADLINE + 100] {
        assert_eq!(at(&started(), ChainState::Unknown, &silent, now), Action::Watch { until: None });
    }
    // Without an answer nothing is decided, and where the manifest gives the job less time, that is what it has.
    let unasked = Local { probes: Probes::Unasked, ..READY };
    assert_eq!(at(&started(), ChainState::Starting, &unasked, last), Action::AwaitProbe);
    let overdue = Local { probes: Probes::Overdue, ..READY };
    assert_eq!(at(&started(), ChainState::Starting, &overdue, 10), Action::Record(Note::Unready));
    assert_eq!(at(&started(), ChainState::Unknown, &overdue, last), Action::Watch { until: None });
    // A probe counts until the start is reported, and never after it.
    assert_eq!(at(&ready(), ChainState::Running, &silent, 2_000), Action::Watch { until: Some(RUNWAY) });
    // Given up, the chain is told while the container still runs; then it is stopped and cleared.
    let mut failed = started();
    failed.reach(Phase::Failed { reason: "port 80 did not answer".to_owned() });
    assert_eq!(at(&failed, ChainState::Starting, &silent, last), Action::PostFailed);
    failed.finished_at_ms = Some(last * 1_000);
    assert_eq!(at(&failed, ChainState::Starting, &silent, last + 1), Action::AwaitChain);
    assert_eq!(at(&failed, ChainState::Failed, &silent, last + 5), Action::Stop(StopReason::LeaseOver));
    failed.ended = Some(Ended { code: 143, oom_killed: false, at_ms: 1, lost: false });
    assert_eq!(next(&failed, &exited(), &chain(ChainState::Failed), &READY, last + 6), Action::Do(StageName::Wipe));
    // One that ends before its probe was right worked for nothing that could be billed: no start, and a minute's price.
    let mut short = started();
    short.reach(Phase::Exited);
    short.ended = Some(Ended { code: 0, oom_killed: false, at_ms: 1, lost: false });
    assert_eq!(next(&short, &exited(), &chain(ChainState::Starting), &silent, last), Action::Record(Note::Unready));
    short.stop = Some(StopReason::Operator);
    assert_eq!(
        next(&short, &exited(), &chain(ChainState::Starting), &silent, last),
        Action::PostReady,
        "what the node itself ended is not the job's doing"
    );
}

#[test]
fn the_end_of_the_money_stops_a_container_only_after_a_look_at_the_chain_past_that_end() {
    let at = |seen_at, state| {
        let view = ChainLease { seen_at, ..chain(state) };
        next(&ready(), &RUNNING, &view, &READY, RUNWAY)
    };
    assert_eq!(at(RUNWAY - 1, ChainState::Running), Action::RefreshChain);
    assert_eq!(at(RUNWAY, ChainState::Running), Action::Stop(StopReason::OutOfFunds));
    assert_eq!(at(RUNWAY - 1, ChainState::Grace), Action::Stop(StopReason::OutOfFunds));
    assert_eq!(at(RUNWAY, ChainState::Paused), Action::Watch { until: None }, "while it is down nothing is used up");
    assert_eq!(at(RUNWAY, ChainState::Unknown), Action::Watch { until: None });
}

#[test]
fn threat_17_a_chain_that_cannot_be_asked_never_ends_or_posts_anything() {
    let containers = [ContainerState::Missing, ContainerState::Created, RUNNING, exited()];
    let mut failed = record(Phase::Failed { reason: "x".to_owned() });
    failed.ended = Some(Ended::lost());
    let records = [
        record(Phase::Won),
        record(Phase::Pulled),
        record(Phase::Created),
        started(),
        ready(),
        ended(0),
        collected(),
        failed,
    ];
    for record in &records {
        for container in &containers {
            for now in [0, DEADLINE, DEADLINE + 100, RUNWAY, RUNWAY + 100_000] {
                let action = next(record, container, &chain(ChainState::Unknown), &READY, now);
                let harmful = matches!(
                    action,
                    Action::Stop(_)
                        | Action::Do(StageName::Wipe)
                        | Action::PostReady
                        | Action::PostFinish
                        | Action::PostFailed
                        | Action::Record(Note::Failed(..))
                );
                assert!(!harmful, "{:?} {container:?} at {now}: {action:?}", record.phase);
            }
        }
    }
}

#[test]
fn a_lease_that_is_over_is_stopped_collected_and_wiped_without_another_post() {
    for state in [ChainState::Ended, ChainState::Closed] {
        let view = chain(state);
        assert_eq!(next(&ready(), &RUNNING, &view, &READY, 2_000), Action::Stop(StopReason::LeaseOver));
        assert_eq!(
            next(&ended(137), &exited(), &view, &READY, 2_000),
            Action::Do(StageName::Collect),
            "the buyer may fetch what there is"
        );
        assert_eq!(next(&collected(), &exited(), &view, &READY, 2_000), Action::Do(StageName::Wipe));
        assert_eq!(
            next(&record(Phase::Pulling), &ContainerState::Missing, &view, &READY, 10),
            Action::Do(StageName::Wipe)
        );
    }
    assert_eq!(next(&ended(137), &exited(), &chain(ChainState::Failed), &READY, 2_000), Action::Do(StageName::Wipe));
}

#[test]
fn operator_and_disk_end_a_lease_and_the_reason_on_record_stays() {
    let at = |local| next(&ready(), &RUNNING, &chain(ChainState::Running), &local, 2_000);
    assert_eq!(at(Local { operator_stop: true, ..READY }), Action::Stop(StopReason::Operator));
    assert_eq!(at(Local { disk_full: true, ..READY }), Action::Stop(StopReason::DiskFull));
    let mut stopping = ready();
    stopping.stop = Some(StopReason::DiskFull);
    let action = next(&stopping, &RUNNING, &chain(ChainState::Unknown), &READY, 2_000);
    assert_eq!(action, Action::Stop(StopReason::DiskFull), "what was begun is carried through");
    let early = next(
        &record(Phase::Won),
        &ContainerState::Missing,
        &chain(ChainState::Starting),
        &Local { operator_stop: true, ..READY },
        10,
    );
    assert!(matches!(early, Action::Record(Note::Failed(..))));
}

#[test]
fn the_end_of_a_container_is_recorded_collected_and_posted_once() {
    let at = |record: &LeaseRecord, now| next(record, &exited(), &chain(ChainState::Running), &READY, now);
    let end = Ended { code: 3, oom_killed: true, at_ms: 2_000_000, lost: false };
    assert_eq!(at(&ready(), 2_000), Action::Record(Note::Ended(end)));
    assert_eq!(at(&ended(3), 2_000), Action::Do(StageName::Collect));
    assert_eq!(at(&collected(), 2_000), Action::PostFinish);
    let mut posted = collected();
    posted.reach(Phase::FinishPosted);
    posted.finished_at_ms = Some(2_000_000);
    assert_eq!(at(&posted, 2_029), Action::AwaitChain);
    assert_eq!(at(&posted, 2_030), Action::PostFinish, "posted, but never seen on the chain");
    posted.clear(2_000_000);
    assert_eq!(at(&posted, 9_000), Action::Do(StageName::Wipe), "a container that is left is removed");
    assert_eq!(next(&posted, &ContainerState::Missing, &chain(ChainState::Unknown), &READY, 9_000), Action::Nothing);
}

#[test]
fn a_container_that_ended_before_ready_was_posted_is_still_reported_ready_first() {
    let mut short = started();
    short.reach(Phase::Exited);
    short.ended = Some(Ended { code: 0, oom_killed: false, at_ms: 1, lost: false });
    assert_eq!(next(&short, &exited(), &chain(ChainState::Starting), &READY, DEADLINE), Action::PostReady);
    assert!(matches!(
        next(&short, &exited(), &chain(ChainState::Starting), &READY, DEADLINE + DEADLINE_SLACK_S + 1),
        Action::Record(Note::Failed(..))
    ));
}

#[test]
fn a_container_that_vanished_is_lost_and_never_started_twice() {
    let gone = ContainerState::Missing;
    let lost = Action::Record(Note::Ended(Ended::lost()));
    assert_eq!(next(&ready(), &gone, &chain(ChainState::Running), &READY, 2_000), lost);
    assert_eq!(
        next(&record(Phase::Won), &gone, &chain(ChainState::Running), &READY, 2_000),
        lost,
        "the store was lost, too"
    );
    assert_eq!(next(&started(), &gone, &chain(ChainState::Starting), &READY, 10), lost);
    let mut record = started();
    record.ended = Some(Ended::lost());
    assert!(matches!(next(&record, &gone, &chain(ChainState::Starting), &READY, 10), Action::Record(Note::Failed(..))));
}

#[test]
fn threat_16_a_lease_whose_store_was_lost_goes_on_with_the_container_that_is_still_there() {
    let forgotten = record(Phase::Won);
    let at = |record: &LeaseRecord, container: &ContainerState| {
        next(record, container, &chain(ChainState::Running), &READY, 2_000)
    };
    assert_eq!(at(&forgotten, &RUNNING), Action::Record(Note::Started(900_000)));
    assert_eq!(at(&started(), &RUNNING), Action::Record(Note::Ready));
    assert!(matches!(at(&forgotten, &exited()), Action::Record(Note::Ended(ended)) if !ended.lost));
}

const TWICE: Restart = Restart { max: 2, delay_s: 5 };

fn failed(started_at_ms: i64) -> Exit {
    Exit { code: 3, oom_killed: false, started_at_ms, finished_at_ms: started_at_ms + 1_000 }
}

#[test]
fn a_job_that_fails_is_started_again_after_its_pause_and_ends_with_the_last_run_s_code() {
    let local = Local { restart: Some(TWICE), ..READY };
    let at = |record: &LeaseRecord, exit: &Exit, now| {
        next(record, &ContainerState::Exited(exit.clone()), &chain(ChainState::Running), &local, now)
    };
    let mut record = ready();
    for (pause, begun) in [(5, 900), (10, 1_000)] {
        let exit = failed(begun * 1_000);
        assert_eq!(at(&record, &exit, begun + 2), Action::Record(Note::Fell(exit.clone(), TWICE)));
        record.fell(&exit, &TWICE, None, Times::of(&exit, (begun + 2) * 1_000));
        let due = begun + 2 + pause;
        assert_eq!(at(&record, &exit, due - 1), Action::AwaitRestart { due_ms: due * 1_000 });
        assert_eq!(at(&record, &exit, due), Action::Restart);
        let running = ContainerState::Running { started_at_ms: due * 1_000, paused: false };
        let runs = |record: &LeaseRecord| next(record, &running, &chain(ChainState::Running), &local, due);
        assert_eq!(runs(&record), Action::Record(Note::Again(due * 1_000)), "the node died before it wrote it down");
        record.begun_again(due * 1_000);
        assert_eq!(runs(&record), Action::Watch { until: Some(RUNWAY) });
    }
    let last = failed(2_000_000);
    assert_eq!(at(&record, &last, 2_002), Action::Record(Note::Ended(Ended::from(&last))));
    let done = Exit { code: 0, ..failed(900_000) };
    assert_eq!(at(&ready(), &done, 2_000), Action::Record(Note::Ended(Ended::from(&done))), "that is no failure");
    let lost = next(&ready(), &ContainerState::Missing, &chain(ChainState::Running), &local, 2_000);
    assert_eq!(lost, Action::Record(Note::Ended(Ended::lost())), "and neither is a container that is gone");
}

#[test]
fn whatever_ends_a_run_ends_a_job_between_its_runs_too_and_at_once() {
    let exit = failed(900_000);
    let mut down = ready();
    down.fell(&exit, &TWICE, None, Times::of(&exit, 902_000));
    let restart = Local { restart: Some(TWICE), ..READY };
    let at = |record: &LeaseRecord, state, local: &Local, now| {
        next(record, &ContainerState::Exited(exit.clone()), &chain(state), local, now)
    };
    for state in [ChainState::Ended, ChainState::Closed] {
        assert_eq!(at(&down, state, &restart, 903), Action::Stop(StopReason::LeaseOver));
    }
    assert_eq!(at(&down, ChainState::Grace, &restart, 903), Action::Stop(StopReason::OutOfFunds));
    assert_eq!(at(&down, ChainState::Running, &restart, RUNWAY), Action::RefreshChain);
    let full = Local { disk_full: true, ..restart.clone() };
    assert_eq!(at(&down, ChainState::Running, &full, 903), Action::Stop(StopReason::DiskFull));
    let operator = Local { operator_stop: true, ..restart.clone() };
    assert_eq!(at(&down, ChainState::Running, &operator, 903), Action::Stop(StopReason::Operator));
    // A restart of the engine is no operator's stop, before the fall is noted and after it, with a way out and without.
    for record in [&down, &ready()] {
        for cut_off in [false, true] {
            let lost = Local { pod_lost: true, cut_off, ..restart.clone() };
            let stranded = Action::Record(Note::Stranded(exit.clone()));
            assert_eq!(at(record, ChainState::Running, &lost, 903), stranded, "{record:?}");
        }
    }
    let running = Local { pod_lost: true, cut_off: true, ..restart.clone() };
    let stop = next(&ready(), &RUNNING, &chain(ChainState::Running), &running, 903);
    assert_eq!(stop, Action::Stop(StopReason::Operator), "one that runs on without what it was sold");
    assert_eq!(at(&down, ChainState::Unknown, &restart, 910), Action::Restart, "a chain that is silent ends nothing");
    down.stop = Some(StopReason::LeaseOver);
    assert_eq!(at(&down, ChainState::Ended, &restart, 910), Action::Record(Note::Ended(Ended::from(&exit))));
}

#[test]
fn a_job_that_fails_before_its_start_is_told_is_told_of_first_where_it_counts_as_ready_and_runs_again_where_it_does_not()
 {
    let exit = failed(900_000);
    let at = |record: &LeaseRecord, probes, now| {
        let local = Local { restart: Some(TWICE), probes, ..READY };
        next(record, &ContainerState::Exited(exit.clone()), &chain(ChainState::Starting), &local, now)
    };
    assert_eq!(at(&started(), Probes::Right, 902), Action::PostReady, "the meter runs from its first run on");
    assert_eq!(at(&started(), Probes::Wrong, 902), Action::Record(Note::Fell(exit.clone(), TWICE)));
    let mut down = started();
    down.fell(&exit, &TWICE, None, Times::of(&exit, 902_000));
    assert_eq!(at(&down, Probes::Wrong, 906), Action::AwaitRestart { due_ms: 907_000 });
    assert_eq!(at(&down, Probes::Wrong, 907), Action::Restart);
    assert_eq!(at(&down, Probes::Overdue, 903), Action::Record(Note::Unready));
    assert_eq!(at(&down, Probes::Wrong, DEADLINE - PROBE_MARGIN_S), Action::Record(Note::Unready));
}
