//! What of an upstream's answer a lease gets to see.

use std::net::{IpAddr, Ipv4Addr};

use gridlease_sdk::public_address::is_public;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};

/// Most records of an answer.
const MAX_RECORDS: usize = 64;
/// Longest that a record may be used for, in seconds.
pub(super) const MAX_TTL: u32 = 3_600;
/// A message's head, and the least that a question and a record take, in bytes.
const HEAD: usize = 12;
const LEAST_QUESTION: usize = 5;
const LEAST_RECORD: usize = 11;

/// A message, if it holds as much as it says: room is made by what it says.
pub(super) fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
    let mut counts = bytes.get(4..HEAD)?.chunks_exact(2).map(|pair| usize::from(pair[0]) << 8 | usize::from(pair[1]));
    let questions = counts.next()?;
    let records: usize = counts.sum();
    let least = HEAD + questions * LEAST_QUESTION + records * LEAST_RECORD;
    if least > bytes.len() { None } else { Packet::parse(bytes).ok() }
}

/// An answer to `question`: nothing but `code`.
pub(super) fn bare<'a>(id: u16, question: Option<&Question<'a>>, code: RCODE) -> Packet<'a> {
    let mut answer = Packet::new_reply(id);
    answer.set_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    *answer.rcode_mut() = code;
    answer.questions.extend(question.cloned());
    answer
}

/// An answer to `question` with what of `upstream`'s leads to the public internet, and the addresses in it with how long each is valid
/// (s). Nothing is valid for longer than a lease is granted it.
pub(super) fn filtered<'a>(
    id: u16,
    question: &Question<'a>,
    upstream: Packet<'a>,
) -> (Packet<'a>, Vec<(Ipv4Addr, u32)>) {
    let mut answer = bare(id, Some(question), upstream.rcode());
    let mut addresses = Vec::new();
    for mut record in upstream.answers {
        record.ttl = record.ttl.min(MAX_TTL);
        let kind = record.rdata.type_code();
        if answer.answers.len() == MAX_RECORDS {
            break;
        }
        match &record.rdata {
            _ if record.class != CLASS::IN => continue,
            // A name that leads into the owner's network is how a page in a browser, or a job, would get there (rebinding).
            RData::A(a) if !is_public(IpAddr::V4(a.address.into())) => continue,
            RData::A(a) => addresses.push((a.address.into(), record.ttl)),
            RData::CNAME(_) => {}
            _ if question.qtype == QTYPE::TYPE(kind) && kind != TYPE::AAAA => {}
            _ => continue,
        }
        answer.answers.push(record);
    }
    // For how long a "no" is to be remembered.
    let mut refusals = upstream.name_servers.into_iter().filter(|record| record.rdata.type_code() == TYPE::SOA);
    answer.name_servers.extend(refusals.next());
    (answer, addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::rdata::{A, AAAA, CNAME};
    use simple_dns::{Name, QCLASS, ResourceRecord};

    fn name() -> Name<'static> {
        Name::new_unchecked("a.example")
    }

    fn record(rdata: RData<'static>) -> ResourceRecord<'static> {
        ResourceRecord::new(name(), CLASS::IN, 60, rdata)
    }

    fn a(address: &str) -> RData<'static> {
        RData::A(A { address: address.parse::<Ipv4Addr>().unwrap().into() })
    }

    #[test]
    fn threat_05_addresses_of_a_private_network_are_taken_out_of_answers() {
        let mut upstream = Packet::new_reply(7);
        upstream.answers.push(record(RData::CNAME(CNAME(name()))));
        for address in ["8.8.4.4", "10.0.0.1", "169.254.169.254", "127.0.0.1", "192.168.1.1", "100.64.0.1"] {
            upstream.answers.push(record(a(address)));
        }
        upstream
            .answers
            .push(record(RData::AAAA(AAAA { address: "fd00::1".parse::<std::net::Ipv6Addr>().unwrap().into() })));
        upstream.additional_records.push(record(a("10.0.0.2")));
        let question = Question::new(name(), QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false);
        let (answer, addresses) = filtered(9, &question, upstream);
        assert_eq!(answer.id(), 9);
        assert_eq!((answer.answers.len(), answer.additional_records.len()), (2, 0), "{answer:?}");
        assert_eq!(addresses, [("8.8.4.4".parse().unwrap(), 60)]);
        let mut old = Packet::new_reply(7);
        old.answers.push(ResourceRecord::new(name(), CLASS::IN, 604_800, a("8.8.4.4")));
        let (answer_of_old, addresses) = filtered(9, &question, old);
        assert_eq!((answer_of_old.answers[0].ttl, addresses[0].1), (MAX_TTL, MAX_TTL), "both say the same");
        // It can be read back, and what is cut off anywhere is no message.
        let bytes = answer.build_bytes_vec_compressed().unwrap();
        assert_eq!(parse(&bytes).unwrap().answers.len(), 2);
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_none(), "{length}");
        }
        let mut greedy = bytes.clone();
        greedy[6..8].copy_from_slice(&[0xff, 0xff]);
        assert!(parse(&greedy).is_none(), "room is made for what is there, not for what is said");
    }
}
