//! What is told, read and asked meets in one view. (A node on one, on a network: `tests/tests/end_to_end/quiet.rs`.)

use bytemuck::Zeroable as _;

use super::*;
use crate::account::{Job, Kind, Offer, VERSION};
use crate::crank::Shard;
use crate::market::{JOB_STATE_AT, all_of};

const JOB: Pubkey = Pubkey::new_from_array([1; 32]);
const OFFER: Pubkey = Pubkey::new_from_array([2; 32]);
const OPEN: u8 = 1;

fn account<T: Kind>(value: &T) -> Account {
    let data = [T::DISCRIMINATOR, bytemuck::bytes_of(value)].concat();
    Account { lamports: 1, data, owner: T::owner(), ..Account::default() }
}

fn job(state: u8, number: u64) -> Account {
    let mut job = Job::zeroed();
    (job.header.version, job.header.state, job.number) = (VERSION, state, number);
    account(&job)
}

fn offer(version: u8) -> Account {
    let mut offer = Offer::zeroed();
    offer.header.version = version;
    account(&offer)
}

/// A view of the open jobs and of one offer that nothing feeds but the test.
fn live() -> (LiveView, mpsc::Receiver<Seen>) {
    let targets = vec![Target::Query(all_of::<Job>().bytes_at(JOB_STATE_AT, &[OPEN])), Target::Account(OFFER)];
    let (seen, words) = mpsc::channel(SEEN);
    let state = State {
        view: View::new(10, Shard::WHOLE),
        told: HashSet::new(),
        unreadable: HashMap::new(),
        slots: HashMap::new(),
        up: vec![false; 2],
        told_down: false,
        told_left_out: 0,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), targets, changes: watch::Sender::new(0), seen });
    (LiveView { shared, _task: Arc::new(Task(tokio::spawn(std::future::pending()))) }, words)
}

fn tell(live: &LiveView, key: Pubkey, account: Option<Account>) {
    live.shared.told(Told { target: 0, news: WatchEvent::Account(AccountUpdate { key, account, slot: Some(5) }) });
}

fn number(live: &LiveView) -> Option<u64> {
    live.with(|view| view.job(&JOB).map(|job| job.number))
}

/// Whether something has changed since the last call.
async fn woken(pulse: &mut Pulse) -> bool {
    tokio::time::timeout(Duration::from_millis(20), pulse.changed()).await.is_ok()
}

#[tokio::test]
async fn who_waits_is_woken_by_a_change_and_by_nothing_else() {
    let (live, _words) = live();
    let mut pulse = live.pulse();
    assert!(!woken(&mut pulse).await);
    tell(&live, JOB, Some(job(OPEN, 1)));
    assert!(woken(&mut pulse).await);
    tell(&live, JOB, Some(job(OPEN, 1)));
    assert!(!woken(&mut pulse).await, "it is as it was");
    tell(&live, JOB, None);
    assert!(woken(&mut pulse).await);
    assert_eq!(number(&live), None);
}

#[tokio::test]
async fn of_an_account_that_is_followed_it_is_known_whether_it_was_read_at_all() {
    let (live, _words) = live();
    let mut pulse = live.pulse();
    assert_eq!(live.known(&OFFER), Known::NotYet);
    tell(&live, OFFER, None);
    assert_eq!(live.known(&OFFER), Known::Shown);
    assert!(live.with(|view| view.offer(&OFFER).is_none()));
    assert!(woken(&mut pulse).await, "that there is none is news, too");
    tell(&live, OFFER, Some(offer(VERSION + 1)));
    assert!(matches!(live.known(&OFFER), Known::Unreadable(DecodeError::WrongVersion { .. })));
    tell(&live, OFFER, Some(offer(VERSION)));
    assert_eq!(live.known(&OFFER), Known::Shown);
    assert!(live.with(|view| view.offer(&OFFER).is_some()));
}

#[tokio::test]
async fn what_somebody_reads_shows_at_once_and_the_subscription_hears_of_it() {
    let (live, mut words) = live();
    let mut pulse = live.pulse();
    tell(&live, JOB, Some(job(OPEN, 1)));
    woken(&mut pulse).await;
    live.saw(Some(7), live.before(&[JOB, OFFER]), &[Some(job(OPEN, 2)), None]);
    assert_eq!((number(&live), live.known(&OFFER)), (Some(2), Known::Shown));
    assert!(woken(&mut pulse).await);
    let heard: Vec<_> = std::iter::from_fn(|| words.try_recv().ok()).map(|seen| (seen.slot, seen.address)).collect();
    assert_eq!(heard, [(7, JOB), (7, OFFER)]);
}

#[tokio::test]
async fn a_reading_does_not_overrule_what_was_told_while_it_was_under_way() {
    let (live, _words) = live();
    tell(&live, JOB, Some(job(OPEN, 1)));
    let before = live.before(&[JOB]);
    tell(&live, JOB, Some(job(OPEN, 3)));
    live.saw(Some(7), before, &[Some(job(OPEN, 2))]);
    assert_eq!(number(&live), Some(3));
}

#[tokio::test]
async fn a_reading_at_a_node_that_lags_does_not_overrule_what_was_told_before_it() {
    let (live, mut words) = live();
    tell(&live, JOB, Some(job(OPEN, 3)));
    live.saw(Some(4), live.before(&[JOB]), &[Some(job(OPEN, 2))]);
    assert_eq!(number(&live), Some(3));
    live.saw(Some(4), live.before(&[JOB]), &[None]);
    assert_eq!(number(&live), Some(3));
    assert_eq!(words.try_recv().unwrap().slot, 4, "who follows it hears of it and decides");
    live.saw(Some(5), live.before(&[JOB]), &[Some(job(OPEN, 4))]);
    assert_eq!(number(&live), Some(4));
}

#[tokio::test]
async fn a_job_that_is_not_among_the_followed_ones_any_more_leaves_the_view_when_somebody_reads_it() {
    let (live, _words) = live();
    tell(&live, JOB, Some(job(OPEN, 1)));
    live.saw(Some(7), live.before(&[JOB]), &[Some(job(OPEN + 1, 1))]);
    assert_eq!(number(&live), None);
    // And one that never was does not come in.
    live.saw(Some(8), live.before(&[JOB]), &[Some(job(OPEN + 1, 1))]);
    assert_eq!(number(&live), None);
}

#[tokio::test]
async fn each_target_has_a_health_of_its_own() {
    let (live, _words) = live();
    let turn = |target, news| live.shared.told(Told { target, news });
    turn(0, WatchEvent::Connected);
    assert_eq!([live.is_up(0), live.is_up(1), live.is_up(2)], [true, false, false]);
    turn(1, WatchEvent::Connected);
    turn(0, WatchEvent::Disconnected { reason: "gone".to_owned() });
    assert_eq!([live.is_up(0), live.is_up(1)], [false, true]);
}

#[tokio::test]
async fn what_had_no_room_is_asked_for_when_there_is_some() {
    let (live, _words) = live();
    let key = |byte| Pubkey::new_from_array([byte; 32]);
    for byte in 10..21 {
        tell(&live, key(byte), Some(job(OPEN, byte.into())));
    }
    assert_eq!(live.shared.room(), [], "it is full");
    let left_out = (10..21).map(key).find(|key| live.with(|view| view.job(key).is_none())).unwrap();
    let held = (10..21).map(key).find(|key| *key != left_out).unwrap();
    tell(&live, held, None);
    assert_eq!(live.shared.room(), [left_out]);
}
