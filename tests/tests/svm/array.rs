//! Arrays: posted once, run as many jobs, within one budget.

use gridlease_core::array::{ArrayEnd, ArrayState, Replica};
use gridlease_core::limits::MAX_TASKS;
use gridlease_core::tip::TIP;
use gridlease_sdk::account::{Array, Job, Purse, manifest_uri, size};
use gridlease_sdk::address;
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_sdk::instruction::job;
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::{CAP, shape};
use gridlease_tests::svm::parties::{Supply, USDC};
use solana_signer::Signer;

use crate::{swapped, unsigned};

#[test]
fn an_array_of_three_tasks_runs_at_three_providers_to_the_last_atom_and_lamport() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let before = w.lamports(&buyer.key.pubkey());
    let posted = w.array(&buyer, ArrayShape { count: 3, quorum: 3, budget: 3 * CAP, ..shape() });
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 3 * CAP);
    let jobs: Vec<_> = (0..3).flat_map(|_| w.open_task(&posted)).collect();
    assert_eq!(w.read::<Array>(&posted).reserved, 0);
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 3 * CAP, "opening a task moves nothing in the purse");
    for (number, posted_job) in jobs.iter().enumerate() {
        let task: Job = w.read(posted_job);
        assert_eq!((task.array, task.task, task.replica), (posted, u32::try_from(number).unwrap(), 0));
        assert_eq!((task.payer, task.reserved), (posted, CAP));
        let data = w.account(posted_job).unwrap().data;
        let uri = manifest_uri(posted_job, &task, &data).unwrap();
        assert_eq!(uri.as_deref(), Some("https://buyer.example/manifest.json"));
    }
    let tasks: Vec<_> = owners.iter().zip(&jobs).collect();
    let keys = w.start_tasks(&tasks);
    w.pass(600);
    for ((keys, owner), number) in keys.iter().zip(&owners).zip(1..) {
        w.finish_task(owner, keys, 0);
        let done = w.close_task(&keys.job);
        let told: &[&str] = if number == 3 { &["TaskClosed", "ArrayEnded"] } else { &["TaskClosed"] };
        assert_eq!(done.told(), told);
    }
    let over: Array = w.read(&posted);
    assert_eq!((over.state(), over.end_reason(), over.completed), (Some(ArrayState::Over), ArrayEnd::Quorum, 3));
    assert_eq!(over.spent, 900_000, "ten minutes each");
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
    assert_eq!(w.close_array(&posted).told(), ["ArrayClosed"]);
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.balance - purse.fees_owed, purse.open_jobs), (20 * USDC - over.spent, 0));
    assert_eq!(w.lamports(&buyer.key.pubkey()), before - 3 * TIP, "all rent is back, but for the tips of three awards");
}

#[test]
fn unspent_money_opens_further_tasks_until_the_budget_is_used_up() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|supply| supply.life = 3_600);
    // One cap and a half for ten tasks of about 0.3 USDC each.
    let posted = w.array(&buyer, ArrayShape { budget: CAP + CAP / 2, ..shape() });
    let mut run = 0;
    while w.read::<Array>(&posted).state() == Some(ArrayState::Open) {
        let jobs = w.open_task(&posted);
        assert_eq!(w.refuse(w.opening_of(&posted), &[]), "market ArrayShort", "the rest does not cover another");
        w.refresh(&owner, Supply::default().terms(w.now().ts.0));
        w.run_task(&owner, &jobs[0], 0);
        run += 1;
    }
    let over: Array = w.read(&posted);
    assert_eq!((over.end_reason(), over.completed, over.next), (ArrayEnd::Exhausted, run, run));
    assert!(run >= 5, "{run}");
    assert!(over.spent <= over.budget && over.budget - over.spent < CAP);
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
    w.close_array(&posted);
}

#[test]
fn an_array_waits_for_money_that_the_buyer_took_away_and_goes_on_when_it_comes_back() {
    let mut w = World::new();
    let buyer = w.buyer(CAP);
    let owner = w.provider(|_| {});
    let posted = w.array(&buyer, ArrayShape { count: 2, quorum: 2, budget: CAP, ..shape() });
    let jobs = w.open_task(&posted);
    let keys = w.start_task(&owner, &jobs[0]);
    w.pass(60);
    w.finish_task(&owner, &keys, 0);
    let purse: Purse = w.read(&buyer.purse);
    w.withdraw(&buyer, purse.balance - purse.fees_owed);
    w.close_task(&jobs[0]);
    let waiting: Array = w.read(&posted);
    // The budget itself does not cover a second task any more: the array is over.
    assert_eq!(waiting.end_reason(), ArrayEnd::Exhausted);
    w.close_array(&posted);

    let other = w.buyer(2 * CAP);
    let posted = w.array(&other, ArrayShape { count: 2, quorum: 2, budget: CAP + CAP / 2, ..shape() });
    let jobs = w.open_task(&posted);
    let keys = w.start_task(&owner, &jobs[0]);
    w.pass(60);
    w.finish_task(&owner, &keys, 0);
    let purse: Purse = w.read(&other.purse);
    let free = purse.balance - purse.fees_owed - purse.reserved;
    w.withdraw(&other, free);
    w.close_task(&jobs[0]);
    let waiting: Array = w.read(&posted);
    assert_eq!((waiting.state(), waiting.header.due_ts), (Some(ArrayState::Open), 0));
    assert_eq!(w.refuse(w.opening_of(&posted), &[]), "market ArrayShort");
    let (mint, key) = (w.mint, other.key.pubkey());
    let wallet = address::token_account(&key, &mint);
    let back = gridlease_sdk::instruction::purse::deposit(&key, &key, &wallet, free);
    w.ok(&[back], &[&other.key]);
    let jobs = w.open_task(&posted);
    w.run_task(&owner, &jobs[0], 0);
    assert_eq!(w.read::<Array>(&posted).end_reason(), ArrayEnd::Quorum);
    w.close_array(&posted);
}

#[test]
fn a_shape_outside_its_bounds_is_refused() {
    let mut w = World::new();
    let buyer = w.buyer(1_000 * USDC);
    let refused = |w: &mut World, shape| {
        let (post, _) = w.post_array(&buyer, shape, |_| {});
        w.refuse(post, &[&buyer.key])
    };
    for bad in [
        ArrayShape { count: 0, ..shape() },
        ArrayShape { count: MAX_TASKS + 1, ..shape() },
        ArrayShape { count: u16::MAX, ..shape() },
        ArrayShape { quorum: 0, ..shape() },
        ArrayShape { quorum: 11, ..shape() },
        ArrayShape { replicas: 0, ..shape() },
        ArrayShape { replicas: 4, ..shape() },
        ArrayShape { parallel: 0, ..shape() },
        ArrayShape { parallel: 65, ..shape() },
    ] {
        assert_eq!(refused(&mut w, bad), "market ArrayShape");
    }
    for budget in [0, CAP - 1, 10 * CAP + 1, u64::MAX] {
        assert_eq!(refused(&mut w, ArrayShape { budget, ..shape() }), "market ArrayBudget");
    }
    assert_eq!(refused(&mut w, ArrayShape { replicas: 2, budget: 2 * CAP - 1, ..shape() }), "market ArrayBudget");
}

#[test]
fn the_largest_array_is_posted_and_opens_as_many_tasks_as_its_rent_was_paid_for() {
    let mut w = World::new();
    let buyer = w.buyer(10_000 * USDC);
    let before = w.lamports(&buyer.key.pubkey());
    let largest = ArrayShape { count: MAX_TASKS, quorum: 1, replicas: 1, parallel: 64, budget: 1_024 * CAP };
    let posted = w.array(&buyer, largest);
    assert_eq!(w.account(&posted).unwrap().data.len(), size::<Array>() + 1_024 + 35);
    let jobs: Vec<_> = (0..64).flat_map(|_| w.open_task(&posted)).collect();
    assert_eq!(w.refuse(w.opening_of(&posted), &[]), "market ArrayFull");
    w.cancel_array(&buyer, &posted);
    for job in &jobs {
        w.ok(&[array::cancel_task(job, &w.read(job))], &[]);
        w.close_task(job);
    }
    w.close_array(&posted);
    assert_eq!(w.lamports(&buyer.key.pubkey()), before);
}

#[test]
fn what_a_job_would_be_refused_for_an_array_is_too() {
    let mut w = World::new();
    let buyer = w.buyer(1_000 * USDC);
    let poor = w.buyer(CAP);
    type Edit = fn(&mut job::JobArgs);
    let cases: [(Edit, &str); 9] = [
        (|args| args.reveal_s = 6, "market DurationOutOfBounds"),
        (|args| args.mode = 1, "market NotTaken"),
        (|args| args.verify_class = 1, "market NotTaken"),
        (|args| args.max_price = 0, "market PriceOutOfBounds"),
        (|args| args.max_duration_s = 59, "market DurationOutOfBounds"),
        (|args| args.attempts = 0, "market AttemptsOutOfBounds"),
        (|args| args.weights = [1; 4], "market WeightsNotWhole"),
        (|args| args.manifest_uri = "https://buyer.example/a b".to_owned(), "market BadString"),
        (|args| args.requirement.gpu_models_high = 1 << 63, "market InvalidSpec"),
    ];
    for (edit, reason) in cases {
        let (post, _) = w.post_array(&buyer, shape(), edit);
        assert_eq!(w.refuse(post, &[&buyer.key]), reason);
    }
    let (post, _) = w.post_array(&poor, ArrayShape { budget: 2 * CAP, ..shape() }, |_| {});
    assert_eq!(w.refuse(post, &[&poor.key]), "market InsufficientFree");
    let (post, _) = w.post_array(&buyer, shape(), |_| {});
    assert_eq!(unsigned(&mut w, &post, 0), "market AccountNotSigner");
    let of_other = swapped(&post, &buyer.purse, poor.purse);
    assert!(["market NotBuyer", "market ConstraintSeeds"].contains(&w.refuse(of_other, &[&buyer.key]).as_str()));
}

#[test]
fn arrays_and_jobs_share_the_numbers_of_their_purse() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let key = buyer.key.pubkey();
    let job_args = gridlease_tests::svm::steps::job_args;
    let first = gridlease_core::job_number::first(w.now().slot).unwrap();
    let small = ArrayShape { count: 1, quorum: 1, budget: CAP, ..shape() };
    w.ok(&[array::post(&key, first + 5, small, job_args())], &[&buyer.key]);
    for again in [array::post(&key, first + 4, small, job_args()), job::post(&key, first + 5, job_args())] {
        assert_eq!(w.refuse(again, &[&buyer.key]), "market NumberUsed");
    }
    w.ok(&[job::post(&key, first + 6, job_args())], &[&buyer.key]);
    let posted = address::array(&buyer.purse, first + 5);
    w.cancel_array(&buyer, &posted);
    w.close_array(&posted);
    let revived = array::post(&key, first + 5, small, job_args());
    assert_eq!(w.refuse(revived, &[&buyer.key]), "market NumberUsed");
}

#[test]
fn tasks_open_in_their_order_and_once() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array(&buyer, shape());
    let open = |task| array::open_task(&posted, &buyer.purse, task, 1);
    assert_eq!(w.refuse(open(1), &[]), "market TaskOutOfOrder");
    w.ok(&[open(0)], &[]);
    w.changes_nothing(open(0));
    let told = w.ok(&[open(1), open(1), open(0)], &[]).told();
    assert_eq!(told, ["TaskOpened"]);
    let state: Array = w.read(&posted);
    assert_eq!((state.next, state.open, state.jobs), (2, 2, 2));
    w.ok(&[open(2)], &[]);
    assert_eq!(w.refuse(open(3), &[]), "market ArrayFull");
    assert_eq!(w.read::<Array>(&posted).header.due_ts, 0, "nobody need come before a task is closed");
}

#[test]
fn the_accounts_of_a_task_are_those_of_its_place_and_no_others() {
    let mut w = World::new();
    let buyer = w.buyer(200 * USDC);
    let other = w.buyer(200 * USDC);
    let posted = w.array(&buyer, shape());
    let twin = w.array(&buyer, shape());
    let of_other = w.array(&other, shape());
    let open = w.opening_of(&posted);
    let job = address::task_job(&posted, 0, 1, 0);
    for wrong in [address::task_job(&posted, 1, 1, 0), address::task_job(&twin, 0, 1, 0), address::job(&buyer.purse, 9)]
    {
        assert_eq!(w.refuse(swapped(&open, &job, wrong), &[]), "market Unrelated");
    }
    assert_eq!(w.refuse(swapped(&open, &buyer.purse, other.purse), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&open, &posted, twin), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&open, &posted, buyer.purse), &[]), "market AccountDiscriminatorMismatch");
    let mut none = open.clone();
    none.accounts.pop();
    assert_eq!(w.refuse(none, &[]), "market AccountNotEnoughKeys");
    // Somebody sent lamports to the address before: that holds nothing up, and the lamports go to the array in the end.
    w.airdrop(&job, 5_000_000);
    w.ok(&[open], &[]);
    let stranger = w.open_task(&of_other)[0];

    let close = w.closing_of(&job);
    assert_eq!(w.refuse(close.clone(), &[]), "market WrongState", "it is not over");
    assert_eq!(w.refuse(job::close(&job, &buyer.purse, &posted), &[]), "market TaskOfArray");
    w.cancel_array(&buyer, &posted);
    w.ok(&[array::cancel_task(&job, &w.read(&job))], &[]);
    assert_eq!(w.refuse(job::close(&job, &buyer.purse, &posted), &[]), "market TaskOfArray");
    assert_eq!(w.refuse(swapped(&close, &posted, twin), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&close, &posted, of_other), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&close, &job, stranger), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&close, &buyer.purse, other.purse), &[]), "market Unrelated");
    let own = w.job(&buyer, |_| {});
    w.ok(&[job::cancel(&buyer.key.pubkey(), &own)], &[&buyer.key]);
    assert_eq!(w.refuse(swapped(&close, &job, own), &[]), "market Unrelated", "a job of its own");
    assert_eq!(w.ok(&[close.clone()], &[]).told(), ["TaskClosed"]);
    assert_eq!(w.refuse(close, &[]), "market AccountOwnedByWrongProgram");
}

#[test]
fn a_nonzero_exit_and_an_ending_without_a_lease_count_as_failed() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|_| {});
    let (post, posted) = w.post_array(&buyer, ArrayShape { count: 4, quorum: 2, budget: 4 * CAP, ..shape() }, |args| {
        (args.attempts, args.wait_s) = (1, 600);
    });
    w.ok(&[post], &[&buyer.key]);
    let failed = w.open_task(&posted)[0];
    w.run_task(&owner, &failed, 1);
    let unwanted = w.open_task(&posted)[0];
    w.pass(599);
    assert_eq!(w.refuse(w.closing_of(&unwanted), &[]), "market WrongState", "it still waits for a bid");
    w.pass(1);
    w.expire_job(&buyer, &unwanted);
    w.close_task(&unwanted);
    // A quiet market holds up nothing: the next task waits for its bids like any job.
    let taken_back = w.open_task(&posted)[0];
    w.ok(&[job::cancel(&buyer.key.pubkey(), &taken_back)], &[&buyer.key]);
    w.close_task(&taken_back);
    let good = w.open_task(&posted)[0];
    w.run_task(&owner, &good, 0);
    let over: Array = w.read(&posted);
    assert_eq!((over.completed, over.failed, over.end_reason()), (1, 3, ArrayEnd::Exhausted));
    let tasks = over.tasks(&w.account(&posted).unwrap().data).unwrap();
    let states: Vec<_> = tasks.iter().map(|task| task.get(0)).collect();
    assert_eq!(states, [Replica::Failed, Replica::Failed, Replica::Failed, Replica::Completed]);
    w.close_array(&posted);
}

#[test]
fn a_task_that_failed_to_start_is_tried_again_by_the_same_job() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let (bad, good) = (w.provider(|_| {}), w.provider(|_| {}));
    let posted = w.array(&buyer, ArrayShape { count: 1, quorum: 1, budget: CAP, ..shape() });
    let job = w.open_task(&posted)[0];
    w.bid(&bad, &job, 1_000_000);
    w.bid(&good, &job, 1_800_000);
    w.close_window(&job);
    let lease = w.award(&job);
    let failed = w.keys(&lease);
    w.pass(141);
    w.fail_start(&failed);
    let lease = w.award(&job);
    let keys = w.keys(&lease);
    w.ready(&good, &keys);
    w.pass(600);
    w.finish_task(&good, &keys, 0);
    w.close_task(&job);
    w.close_lease(&failed);
    let over: Array = w.read(&posted);
    assert_eq!((over.completed, over.failed, over.end_reason()), (1, 0, ArrayEnd::Quorum));
    w.close_array(&posted);
}

#[test]
fn a_pause_stops_posting_and_opening_but_no_exit() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|_| {});
    let posted = w.array(&buyer, shape());
    let jobs: Vec<_> = (0..2).flat_map(|_| w.open_task(&posted)).collect();
    let keys = w.start_task(&owner, &jobs[0]);
    w.pass(100);
    w.edit_as::<gridlease_sdk::account::Config>(&address::market_config(), |config| config.paused = 1);
    let (post, _) = w.post_array(&buyer, shape(), |_| {});
    assert_eq!(w.refuse(post, &[&buyer.key]), "market Paused");
    assert_eq!(w.refuse(w.opening_of(&posted), &[]), "market Paused");
    w.cancel_array(&buyer, &posted);
    w.ok(&[array::cancel_task(&jobs[1], &w.read(&jobs[1]))], &[]);
    w.close_task(&jobs[1]);
    w.stop(&buyer, &keys);
    w.settle(&keys);
    w.close_lease(&keys);
    w.close_task(&jobs[0]);
    w.close_array(&posted);
}

#[test]
fn what_a_buyer_adds_to_a_task_is_outside_of_the_budget() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|_| {});
    let (post, posted) = w.post_array(&buyer, ArrayShape { count: 2, quorum: 2, budget: 600_000, ..shape() }, |args| {
        args.max_duration_s = 600;
    });
    w.ok(&[post], &[&buyer.key]);
    let cap = w.read::<Array>(&posted).cap;
    assert_eq!(cap, 300_000);
    let job = w.open_task(&posted)[0];
    let keys = w.start_task(&owner, &job);
    w.top_up(&buyer, &keys, USDC);
    w.pass(1_200);
    w.finish_task(&owner, &keys, 0);
    assert_eq!(w.read::<Job>(&job).spent, 600_000);
    w.close_task(&job);
    let state: Array = w.read(&posted);
    assert_eq!((state.spent, state.reserved), (cap, cap), "the second task keeps its money");
    let job = w.open_task(&posted)[0];
    w.run_task(&owner, &job, 0);
    w.close_array(&posted);
}

#[test]
fn a_purse_full_of_jobs_takes_no_array_and_opens_no_task() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array(&buyer, ArrayShape { replicas: 2, ..shape() });
    w.stop_auditing();
    w.edit_as::<Purse>(&buyer.purse, |purse| purse.open_jobs = 4_095);
    assert_eq!(w.refuse(w.opening_of(&posted), &[]), "market TooMany");
    w.edit_as::<Purse>(&buyer.purse, |purse| purse.open_jobs = 4_096);
    let (post, _) = w.post_array(&buyer, shape(), |_| {});
    assert_eq!(w.refuse(post, &[&buyer.key]), "market TooMany");
    w.edit_as::<Purse>(&buyer.purse, |purse| purse.open_jobs = 4_094);
    w.open_task(&posted);
    assert_eq!(w.read::<Purse>(&buyer.purse).open_jobs, 4_096);
}

#[test]
fn whoever_turns_the_cranks_of_two_arrays_of_one_purse_each_keeps_to_its_own_budget() {
    let mut w = World::new();
    let buyer = w.buyer(4 * CAP);
    let owner = w.provider(|supply| supply.units = 8);
    let small = ArrayShape { count: 6, quorum: 6, budget: 2 * CAP, parallel: 2, ..shape() };
    let arrays = [w.array(&buyer, small), w.array(&buyer, small)];
    assert_eq!(w.read::<Purse>(&buyer.purse).free().0, 0);
    let mut rounds = 0;
    while arrays.iter().any(|array| w.read::<Array>(array).state() == Some(ArrayState::Open)) {
        rounds += 1;
        assert!(rounds < 20, "they get in each other's way");
        w.refresh(&owner, Supply { units: 8, ..Supply::default() }.terms(w.now().ts.0));
        let mut jobs = Vec::new();
        for array in &arrays {
            while w.read::<Array>(array).rules().unwrap().openable() {
                jobs.extend(w.open_task(array));
            }
        }
        let tasks: Vec<_> = jobs.iter().map(|job| (&owner, job)).collect();
        for keys in w.start_tasks(&tasks) {
            w.pass(300);
            w.finish_task(&owner, &keys, 0);
            w.close_task(&keys.job);
        }
    }
    for array in &arrays {
        let over: Array = w.read(array);
        assert_eq!((over.end_reason(), over.completed), (ArrayEnd::Quorum, 6));
        assert!(over.spent <= over.budget);
        w.close_array(array);
    }
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
}
