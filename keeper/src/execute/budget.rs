//! What the keeper may spend on fees: so many lamports an hour, refilled evenly, never more than one hour's at once.

use std::time::Duration;

const MS_PER_HOUR: u128 = 3_600_000;

/// A fee budget. Pure: the time is passed in.
#[derive(Clone, Debug)]
pub struct Budget {
    per_hour: u64,
    /// What is left, in lamports × milliseconds of an hour, so that refilling loses nothing to rounding.
    left: u128,
    at: Duration,
}

impl Budget {
    /// A full budget of `per_hour` lamports at time `at`.
    pub fn new(per_hour: u64, at: Duration) -> Self {
        Self { per_hour, left: full(per_hour), at }
    }

    /// Takes `lamports` out where there are as many.
    pub fn take(&mut self, lamports: u64, at: Duration) -> bool {
        self.refill(at);
        match self.left.checked_sub(full(lamports)) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// Gives back what was taken and not spent.
    pub fn give_back(&mut self, lamports: u64) {
        self.left = self.left.saturating_add(full(lamports)).min(full(self.per_hour));
    }

    /// Lamports that can be taken now.
    pub fn left(&mut self, at: Duration) -> u64 {
        self.refill(at);
        u64::try_from(self.left / MS_PER_HOUR).unwrap_or(u64::MAX)
    }

    /// Lamports an hour.
    pub fn per_hour(&self) -> u64 {
        self.per_hour
    }

    fn refill(&mut self, at: Duration) {
        let passed = at.saturating_sub(self.at).as_millis().min(MS_PER_HOUR);
        self.at = self.at.max(at);
        let more = u128::from(self.per_hour) * passed;
        self.left = self.left.saturating_add(more).min(full(self.per_hour));
    }
}

fn full(lamports: u64) -> u128 {
    u128::from(lamports) * MS_PER_HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn no_more_than_the_budget_is_spent_in_its_first_hour_and_it_refills_evenly() {
        let mut budget = Budget::new(7_200, at(0));
        assert!(budget.take(7_200, at(0)));
        assert!(!budget.take(1, at(0)));
        assert_eq!(budget.left(at(1)), 2);
        assert!(!budget.take(3, at(1)));
        assert!(budget.take(2, at(1)));
    }

    #[test]
    fn an_unused_budget_does_not_pile_up() {
        let mut budget = Budget::new(100, at(0));
        assert_eq!(budget.left(at(1_000_000)), 100);
        budget.give_back(50);
        assert_eq!(budget.left(at(1_000_000)), 100);
    }

    #[test]
    fn what_was_taken_and_not_spent_can_be_taken_again() {
        let mut budget = Budget::new(100, at(0));
        assert!(budget.take(80, at(0)));
        budget.give_back(60);
        assert_eq!(budget.left(at(0)), 80);
    }

    #[test]
    fn a_time_that_went_backward_and_a_budget_of_nothing_are_harmless() {
        let mut budget = Budget::new(0, at(10));
        assert!(!budget.take(1, at(5)));
        assert!(budget.take(0, at(5)));
        assert!(!budget.take(u64::MAX, at(u64::MAX)));
    }
}
