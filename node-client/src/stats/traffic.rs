//! What went through a container's network.

/// Bytes that were received and sent, from the text of a process's `/proc/PID/net/dev`; its loopback is not counted.
pub(super) fn parse(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines().skip(2).peekable();
    lines.peek()?;
    lines.try_fold((0u64, 0u64), |(rx, tx), line| {
        let (name, counters) = line.split_once(':')?;
        if name.trim() == "lo" {
            return Some((rx, tx));
        }
        let mut counters = counters.split_whitespace();
        let received = counters.next()?.parse().ok()?;
        let sent = counters.nth(7)?.parse().ok()?;
        Some((rx.saturating_add(received), tx.saturating_add(sent)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

    #[test]
    fn every_interface_but_the_loopback_is_counted() {
        let text = format!(
            "{HEAD}    lo:     500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0\n  eth0:1000 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n  eth1: 1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n"
        );
        assert_eq!(parse(&text), Some((1_001, 22)));
        let alone = format!("{HEAD}    lo: 500 5 0 0 0 0 0 0 500 5 0 0 0 0 0 0\n");
        assert_eq!(parse(&alone), Some((0, 0)), "no network is no traffic");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for text in ["", HEAD, &format!("{HEAD}eth0: 1 2 3\n"), &format!("{HEAD}no colon\n")] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
