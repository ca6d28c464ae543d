//! The steps of an array's life, each as one call that must succeed.

use gridlease_core::job::EndReason;
use gridlease_core::tip::prepaid_array;
use gridlease_sdk::account::{Array, Job};
use gridlease_sdk::address;
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_sdk::instruction::job::JobArgs;
use gridlease_sdk::instruction::lease::{self, LeaseKeys, Outcome};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::World;
use super::outcome::Done;
use super::parties::{Buyer, Provider};
use super::steps::{job_args, outcome};

/// What one job of the tests can cost at most: two hours at 1.80 USDC.
pub const CAP: u64 = 3_600_000;

/// Ten tasks of one job each, of which all must complete, three open at a time, and a budget for all of them.
#[must_use]
pub fn shape() -> ArrayShape {
    ArrayShape { count: 10, quorum: 10, replicas: 1, parallel: 3, budget: 10 * CAP }
}

impl World {
    /// The instruction that posts the buyer's next array, with its address; `edit` changes what its jobs ask for.
    pub fn post_array(
        &mut self,
        buyer: &Buyer,
        shape: ArrayShape,
        edit: impl FnOnce(&mut JobArgs),
    ) -> (Instruction, Pubkey) {
        let mut args = job_args();
        edit(&mut args);
        let number = self.next_number();
        (array::post(&buyer.key.pubkey(), number, shape, args), address::array(&buyer.purse, number))
    }

    /// Posts an array.
    #[track_caller]
    pub fn array(&mut self, buyer: &Buyer, shape: ArrayShape) -> Pubkey {
        let (post, array) = self.post_array(buyer, shape, |_| {});
        self.ok(&[post], &[&buyer.key]);
        array
    }

    /// Posts an array with one task open at a time, and takes one lamport of what it prepaid for the rent of its tasks, which
    /// no transaction does.
    #[track_caller]
    pub fn array_short_of_rent(&mut self, buyer: &Buyer) -> Pubkey {
        let shape = ArrayShape { parallel: 1, ..shape() };
        let jobs = u32::from(shape.parallel) * u32::from(shape.replicas);
        let tips = prepaid_array(u32::from(shape.count), jobs, job_args().attempts);
        let array = self.array(buyer, shape);
        self.stop_auditing();
        let mut account = self.account(&array).unwrap();
        account.lamports -= tips + 1;
        self.put(array, account);
        array
    }

    /// The opening of the array's next task.
    #[must_use]
    #[track_caller]
    pub fn opening_of(&self, array: &Pubkey) -> Instruction {
        let state: Array = self.read(array);
        array::open_task(array, &state.purse, state.next, state.replicas)
    }

    /// Anybody opens the array's next task; returns its jobs.
    #[track_caller]
    pub fn open_task(&mut self, array: &Pubkey) -> Vec<Pubkey> {
        let state: Array = self.read(array);
        self.ok(&[self.opening_of(array)], &[]);
        (0..state.replicas).map(|replica| address::task_job(array, state.next, state.replicas, replica)).collect()
    }

    /// The provider bids alone, is awarded the job, and starts it.
    #[track_caller]
    pub fn start_task(&mut self, provider: &Provider, job: &Pubkey) -> LeaseKeys {
        self.start_tasks(&[(provider, job)]).remove(0)
    }

    /// As [`World::start_task`], with windows that are open at the same time.
    #[track_caller]
    pub fn start_tasks(&mut self, tasks: &[(&Provider, &Pubkey)]) -> Vec<LeaseKeys> {
        for (provider, job) in tasks {
            self.bid(provider, job, 1_800_000);
        }
        let start = |(provider, job): &(&Provider, &Pubkey)| {
            self.close_window(job);
            let lease = self.award(job);
            let keys = self.keys(&lease);
            self.ready(provider, &keys);
            keys
        };
        tasks.iter().map(start).collect()
    }

    /// The container ends with `exit_code`; the lease is settled and closed, the job is not.
    #[track_caller]
    pub fn finish_task(&mut self, provider: &Provider, keys: &LeaseKeys, exit_code: i32) {
        let outcome = Outcome { exit_code: Some(exit_code), ..outcome() };
        let finish = lease::finish(&provider.node.pubkey(), keys, EndReason::Completed, outcome);
        self.ok(&[finish], &[&provider.node]);
        self.accept_finished(keys);
        self.settle(keys);
        self.close_lease(keys);
    }

    /// The whole of a task's job: started, ten minutes long, ended with `exit_code`, closed.
    #[track_caller]
    pub fn run_task(&mut self, provider: &Provider, job: &Pubkey, exit_code: i32) -> Done {
        let keys = self.start_task(provider, job);
        self.pass(600);
        self.finish_task(provider, &keys, exit_code);
        self.close_task(job)
    }

    /// The closing of a task's job.
    #[must_use]
    #[track_caller]
    pub fn closing_of(&self, job: &Pubkey) -> Instruction {
        array::close_task(job, &self.read::<Job>(job))
    }

    /// Anybody closes a task's job.
    #[track_caller]
    pub fn close_task(&mut self, job: &Pubkey) -> Done {
        self.ok(&[self.closing_of(job)], &[])
    }

    /// The buyer cancels the array.
    #[track_caller]
    pub fn cancel_array(&mut self, buyer: &Buyer, array: &Pubkey) -> Done {
        self.ok(&[array::cancel(&buyer.key.pubkey(), array)], &[&buyer.key])
    }

    /// The closing of an array.
    #[must_use]
    #[track_caller]
    pub fn array_closing_of(&self, array: &Pubkey) -> Instruction {
        let state: Array = self.read(array);
        array::close(array, &state.purse, &state.payer)
    }

    /// Anybody closes the array.
    #[track_caller]
    pub fn close_array(&mut self, array: &Pubkey) -> Done {
        self.ok(&[self.array_closing_of(array)], &[])
    }
}
