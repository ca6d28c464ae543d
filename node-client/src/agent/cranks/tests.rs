//! What a node does for its own leases, and what it leaves alone.

use bytemuck::Zeroable as _;
use gridlease_core::UnixTs;
use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{BookEntry, Job, Kind, Provider, VERSION};
use gridlease_sdk::crank::Verb;
use solana_account::Account;

use super::*;

const NOW: u64 = 10_000;
const OWN: Pubkey = Pubkey::new_from_array([1; 32]);
const LEASE: Pubkey = Pubkey::new_from_array([2; 32]);
const JOB: Pubkey = Pubkey::new_from_array([3; 32]);

fn account<T: Kind>(value: &T) -> Account {
    let data = [T::DISCRIMINATOR, bytemuck::bytes_of(value)].concat();
    Account { lamports: 1, data, owner: T::owner(), ..Account::default() }
}

fn now() -> Now {
    Now { slot: 20_000, ts: UnixTs(NOW) }
}

fn lease(state: LeaseState) -> Lease {
    let mut lease = Lease { job: JOB, provider: OWN, slot_ms: 400, price: 3_600, ..Lease::zeroed() };
    (lease.header.version, lease.header.state) = (VERSION, state as u8);
    (lease.awarded_ts, lease.ready_ts, lease.segment_ts, lease.start_deadline) = (9_000, 9_000, 9_000, 9_100);
    (lease.segment_slot, lease.reserved, lease.runway_end) = (17_500, 100_000, 90_000);
    lease
}

fn ended() -> Lease {
    Lease {
        reason: EndReason::Completed as u8,
        ended_ts: 9_900,
        review_end: 9_900,
        reserved: 0,
        ..lease(LeaseState::Ended)
    }
}

fn job(bidder: Pubkey, offer: u32) -> Job {
    let mut job =
        Job { close_ts: NOW - 1, max_price: 500_000, reserved: 100_000, max_duration_s: 600, ..Job::zeroed() };
    (job.header.version, job.header.state) = (VERSION, JobState::Open as u8);
    job.weights = gridlease_core::limits::DEFAULT_WEIGHTS;
    job.book[0] = BookEntry { provider: bidder, offer, price: 400_000, score: 5 };
    job.book_len = 1;
    job
}

fn view(accounts: &[(Pubkey, Account)]) -> View {
    let mut provider = Provider::zeroed();
    provider.header.version = VERSION;
    let mut view = View::default();
    view.apply(&OWN, Some(&account(&provider)));
    for (key, account) in accounts {
        view.apply(key, Some(account));
    }
    view
}

/// The verbs of what is due, where the node is at work on the lease or not.
fn verbs(view: &View, at_work: bool) -> Vec<Vec<Verb>> {
    let own = Own { provider: OWN, number: 7, leases: HashMap::from([(LEASE, at_work)]) };
    let actions = duties(view, &own, now());
    actions.iter().map(|action| action.steps.iter().map(Step::verb).collect()).collect()
}

fn of_lease_only(lease: &Lease) -> View {
    view(&[(LEASE, account(lease))])
}

#[test]
fn a_lease_that_is_over_is_closed_once_the_node_is_done_with_it_and_its_job_too_where_that_is_over() {
    let view_of = of_lease_only(&ended());
    assert_eq!(verbs(&view_of, true), Vec::<Vec<Verb>>::new(), "its files are not even collected yet");
    assert_eq!(verbs(&view_of, false), [[Verb::CloseLease]]);
    let mut over = job(Pubkey::default(), 0);
    (over.header.state, over.book_len, over.reserved) = (JobState::Ended as u8, 0, 0);
    let with_job = view(&[(LEASE, account(&ended())), (JOB, account(&over))]);
    assert_eq!(verbs(&with_job, false), [[Verb::CloseLease, Verb::CloseJob]]);
}

#[test]
fn how_a_lease_goes_on_at_the_end_of_its_money_is_left_to_its_task_but_a_notice_that_is_over_is_not() {
    let broke = Lease { runway_end: NOW - 100, ..lease(LeaseState::Running) };
    assert_eq!(verbs(&of_lease_only(&broke), true), Vec::<Vec<Verb>>::new());
    assert_eq!(verbs(&of_lease_only(&broke), false)[0][0], Verb::Expire, "nobody else is at work on it");
    let left = |notice_end| Lease { notice_s: 3_600, notice_end, ..lease(LeaseState::Running) };
    assert_eq!(verbs(&of_lease_only(&left(NOW - 1)), true), [[Verb::Expire]]);
    assert_eq!(verbs(&of_lease_only(&left(NOW + 100)), true), Vec::<Vec<Verb>>::new());
}

#[test]
fn a_lease_of_another_machine_is_left_alone() {
    let own = Own { provider: OWN, number: 7, leases: HashMap::new() };
    assert_eq!(duties(&of_lease_only(&ended()), &own, now()), []);
}

#[test]
fn a_job_is_awarded_by_the_node_whose_offer_leads_it_and_by_no_other() {
    let led_by = |provider, offer| verbs(&view(&[(JOB, account(&job(provider, offer)))]), false);
    assert_eq!(led_by(OWN, 7), [[Verb::Award]]);
    assert_eq!(led_by(OWN, 8), Vec::<Vec<Verb>>::new(), "another machine of the provider leads");
    assert_eq!(led_by(LEASE, 7), Vec::<Vec<Verb>>::new(), "another provider leads");
    let early = Job { close_ts: NOW + 1, ..job(OWN, 7) };
    assert_eq!(verbs(&view(&[(JOB, account(&early))]), false), Vec::<Vec<Verb>>::new());
}

fn settle(byte: u8) -> Action {
    let keys = gridlease_sdk::instruction::lease::LeaseKeys::new(Pubkey::new_from_array([byte; 32]), &ended());
    Action::single(Step::Settle(keys), UnixTs(1))
}

fn cranks(patience: Duration) -> Cranks {
    let url = gridlease_sdk::rpc::ClusterUrl::parse("http://127.0.0.1:1").unwrap();
    let client = gridlease_sdk::rpc::Client::new(url).unwrap();
    let key = std::sync::Arc::new(solana_keypair::Keypair::new());
    let chain = Chain::new(client, key, crate::clock::Clock::manual(0));
    let following = Following::start(&chain, &OWN, 0).unwrap();
    Cranks::new(chain, following, patience)
}

#[tokio::test]
async fn others_are_given_time_and_what_fails_is_tried_again_with_growing_pauses_and_at_most_four_at_once() {
    let (patience, start) = (Duration::from_secs(15), Instant::now());
    let mut cranks = cranks(patience);
    let begun =
        |cranks: &mut Cranks, actions: Vec<Action>, s: u64| cranks.begin(actions, start + Duration::from_secs(s)).len();
    assert_eq!(begun(&mut cranks, vec![settle(1)], 0), 0);
    assert_eq!(begun(&mut cranks, vec![settle(1)], 14), 0);
    assert_eq!(begun(&mut cranks, vec![settle(1)], 15), 1);
    // It stays due: after 5 s, then 20 s, a tenth more or less.
    assert_eq!(begun(&mut cranks, vec![settle(1)], 19), 0);
    assert_eq!(begun(&mut cranks, vec![settle(1)], 21), 1);
    assert_eq!(begun(&mut cranks, vec![settle(1)], 38), 0);
    assert_eq!(begun(&mut cranks, vec![settle(1)], 44), 1);
    // Somebody else did it; what is due anew has its time anew.
    assert_eq!(begun(&mut cranks, vec![], 45), 0);
    assert_eq!(begun(&mut cranks, vec![settle(1)], 46), 0);
    let many: Vec<Action> = (1..=9).map(settle).collect();
    assert_eq!(begun(&mut cranks, many.clone(), 50), 0);
    assert_eq!(begun(&mut cranks, many, 70), AT_ONCE);
    assert!(pause(1) == PAUSE * 4 && pause(u32::MAX) == MAX_PAUSE);
}

#[tokio::test]
async fn while_a_step_for_a_lease_is_under_way_no_other_is_begun_for_it() {
    let mut cranks = cranks(Duration::ZERO);
    let id = cranks.tasks.spawn(std::future::pending()).id();
    cranks.busy.insert(id, Pubkey::new_from_array([1; 32]));
    let begun = cranks.begin(vec![settle(1), settle(2)], Instant::now());
    assert_eq!(begun, [settle(2)]);
}
