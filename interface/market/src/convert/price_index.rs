//! A price index.

use gridlease_core::gpu::{model_name, region_name};
use gridlease_core::price_index::{PriceIndex as Rules, Trade};
use gridlease_core::{PricePerHour, UnixTs};

use crate::account::{PriceIndex, TradeData};

impl PriceIndex {
    /// The index for the rules; on the heap, because a frame of the program's stack has 4 KiB.
    pub fn rules(&self) -> Box<Rules> {
        let mut index = Box::<Rules>::default();
        for (to, from) in index.trades.iter_mut().zip(&self.trades) {
            *to = Trade { price: PricePerHour(from.price), ts: UnixTs(from.ts), buyer: from.buyer };
        }
        index.len = self.len;
        index.next = self.next;
        index.price = PricePerHour(self.price);
        index
    }

    /// Writes back what one trade at place `at` changed.
    pub fn set_rules(&mut self, next: &Rules, at: usize) {
        self.len = next.len;
        self.next = next.next;
        self.price = next.price.0;
        if let (Some(to), Some(from)) = (self.trades.get_mut(at), next.trades.get(at)) {
            *to = TradeData { price: from.price.0, ts: from.ts.0, buyer: from.buyer };
        }
    }

    /// The trades in the ring, in no order of time.
    pub fn in_ring(&self) -> &[TradeData] {
        self.trades.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Different buyers in the ring; an index of few is the word of few.
    pub fn buyers(&self) -> usize {
        let mut marks: Vec<_> = self.in_ring().iter().map(|trade| trade.buyer).collect();
        marks.sort_unstable();
        marks.dedup();
        marks.len()
    }

    /// What is rented, in words: "h100 in eu".
    pub fn class(&self) -> String {
        let model = model_name(self.gpu_model).unwrap_or("unknown");
        format!("{model} in {}", region_name(self.region).unwrap_or("unknown"))
    }
}
