//! Lamports that accounts set aside for whoever turns the cranks, and what is paid of them.

use gridlease_core::{UnixTs, tip};

use super::{Model, Posted, Rents};

impl Rents {
    /// What an offer must hold so that it can open `free` more leases, while it has `open` ones.
    pub fn of_offer(&self, free: u16, open: u16) -> u64 {
        let of_unit = self.lease + self.reservation + tip::prepaid_lease();
        self.offer + of_unit * u64::from(free) + u64::from(open)
    }

    /// What an offer must hold so that a lease can be opened, whatever there is for tips.
    pub fn of_unit(&self) -> u64 {
        self.offer + self.lease + self.reservation
    }

    /// The rent of an array.
    pub fn of_array(&self, tasks: u16) -> u64 {
        self.array + self.byte * u64::from(tasks)
    }

    /// The rent of the accounts of one task.
    pub fn of_task(&self, replicas: u8) -> u64 {
        self.job * u64::from(replicas) + if replicas > 1 { self.group } else { 0 }
    }
}

impl Model {
    /// Tips the keeper, where steps name it, for one that was due then, out of an account with `lamports` that must keep
    /// `keeps`; returns what is left.
    pub(super) fn tip(&mut self, lamports: u64, keeps: u64, due: UnixTs) -> u64 {
        let wanted = tip::tip(due, self.now.ts);
        if !self.tipping || wanted == 0 {
            return lamports;
        }
        let paid = tip::payable(wanted, lamports, keeps);
        self.noted.push(match paid {
            0 => "nothing was left for a tip",
            paid if paid < wanted => "a tip was what was left",
            tip::TIP => "a tip was paid",
            tip::MAX_TIP => "the highest tip was paid",
            _ => "a tip was paid that had grown",
        });
        self.keeper.1 += paid;
        lamports - paid
    }

    /// As [`Model::tip`], out of a job.
    pub(super) fn tip_of_job(&mut self, job: usize, due: UnixTs) {
        let left = self.jobs[job].as_ref().map_or(0, |posted| posted.lamports);
        let left = self.tip(left, self.rents.job, due);
        if let Some(posted) = &mut self.jobs[job] {
            posted.lamports = left;
        }
    }

    /// As [`Model::tip`] for an award that leases: at least a tip, late or not; it goes to the lease where nobody is named.
    pub(super) fn tip_of_award(&mut self, job: usize, due: UnixTs) {
        let (tipping, now, rent) = (self.tipping, self.now.ts, self.rents.job);
        let Some(posted) = &mut self.jobs[job] else { return };
        let wanted = if tipping { tip::award_tip(due, now) } else { tip::TIP };
        let paid = tip::payable(wanted, posted.lamports, rent);
        posted.lamports -= paid;
        match posted.leases.last_mut() {
            Some(lease) if !tipping => lease.lamports += paid,
            _ => self.keeper.1 += paid,
        }
        self.noted.push(if tipping { "an award was tipped" } else { "the tip of an award went to its lease" });
    }

    /// As [`Model::tip`], out of a lease; returns what is left.
    pub(super) fn tip_of_lease(&mut self, job: usize, at: usize, due: UnixTs) -> u64 {
        let left = self.jobs[job].as_ref().map_or(0, |posted| posted.leases[at].lamports);
        let left = self.tip(left, self.rents.lease, due);
        if let Some(posted) = &mut self.jobs[job] {
            posted.leases[at].lamports = left;
        }
        left
    }
}

impl Posted {
    /// When the next step of the job itself is due; zero for none.
    pub fn due(&self) -> UnixTs {
        use gridlease_core::job::JobState;
        match self.rules.state {
            JobState::Waiting => self.rules.expires_at,
            JobState::Open => self.rules.award_ts(),
            JobState::Leased | JobState::Review => UnixTs::ZERO,
            JobState::Ended => UnixTs(self.ended_ts),
        }
    }
}
