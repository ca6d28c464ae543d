//! A file comes out of a CAR whole and right, or not at all. The names are those that `ipfs-unixfs-importer` 15 of npm gives.

use super::*;
use gridlease_testkit::origin::ipfs::{Block, Tree, block, car, folder, import, node};

fn data(length: usize) -> Vec<u8> {
    let mut x = 1u32;
    let mut next = || {
        x = x.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        x.to_be_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}

async fn unpack(path: &str, car: &[u8]) -> Result<Vec<u8>, IpfsError> {
    let mut unpacker = Unpacker::new(&path.parse().unwrap(), car);
    let mut content = Vec::new();
    while let Some(part) = unpacker.next().await? {
        content.extend_from_slice(&part);
    }
    Ok(content)
}

async fn refused(path: &str, car: &[u8]) -> String {
    unpack(path, car).await.unwrap_err().to_string()
}

fn at(tree: &Tree) -> String {
    format!("ipfs://{}", tree.cid())
}

#[tokio::test]
async fn files_have_the_names_that_ipfs_gives_them_and_come_out_whole() {
    let cases = [
        (
            import(b"hello world", 262_144, 174),
            "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
            b"hello world".to_vec(),
        ),
        (import(b"", 262_144, 174), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", Vec::new()),
        (
            import(&data(1_000_000), 262_144, 174),
            "bafybeiazwwvjus2lugt7dt6nmxahzwbn246krlac66qk53lghcxmkgntba",
            data(1_000_000),
        ),
        (import(&data(1_000), 10, 3), "bafybeidi4tyxk3u3hug2wmkhx4a3twoeubuedmjmamga6ksn7q4pthwfoe", data(1_000)),
    ];
    for (tree, cid, content) in cases {
        assert_eq!(tree.cid(), cid);
        assert!(unpack(&at(&tree), &tree.car()).await.unwrap() == content, "{cid}");
        let path: IpfsPath = at(&tree).parse().unwrap();
        assert_eq!(path.sha256().is_some(), cid.starts_with("bafkrei"));
    }
}

#[tokio::test]
async fn a_file_of_version_0_with_its_bytes_in_the_node_comes_out_too() {
    let text = b"hello world\n";
    let frame = [&[0x08, 2, 0x12, 12][..], text, &[0x18, 12]].concat();
    let whole = node(&[], &frame);
    let root = Block { cid: whole.blocks[0].cid[2..].to_vec(), data: whole.blocks[0].data.clone() };
    let name = format!("ipfs://{}", bs58::encode(&root.cid).into_string());
    assert_eq!(name, "ipfs://QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o");
    assert_eq!(unpack(&name, &car(&[root])).await.unwrap(), text);
}

#[tokio::test]
async fn a_file_in_a_folder_is_found_by_its_path() {
    let (one, deep) = (import(b"one", 100, 4), import(&data(1_000), 100, 4));
    let sub = folder(&[("deep.bin", &deep)]);
    let root = folder(&[("a b.txt", &one), ("sub", &sub)]);
    assert_eq!(root.cid(), "bafybeibjorztbe7ibtpl3hzbjgjil6xizffpn65afp2lzzjvqbmanaiqma");
    let along = [&root.blocks[..1], &sub.blocks[..]].concat();
    assert!(unpack(&format!("{}/sub/deep.bin", at(&root)), &car(&along)).await.unwrap() == data(1_000));
    assert_eq!(unpack(&format!("{}/a b.txt", at(&root)), &root.car()).await.unwrap(), b"one");
    for (path, words) in
        [("", "it is a folder"), ("/none", "nothing of this name"), ("/a b.txt/x", "leads through a file")]
    {
        assert!(refused(&format!("{}{path}", at(&root)), &root.car()).await.contains(words), "{path}");
    }
    let sharded = node(&[], &[0x08, 5]);
    assert!(refused(&format!("{}/x", at(&sharded)), &sharded.car()).await.contains("sharded"));
}

#[tokio::test]
async fn blocks_may_come_in_another_order_and_once_and_inline() {
    let tree = import(&data(1_000), 10, 3);
    let mut backwards = tree.blocks.clone();
    backwards.reverse();
    assert!(unpack(&at(&tree), &car(&backwards)).await.unwrap() == data(1_000));

    let same = import(&[7; 1_000], 10, 10);
    let mut once: Vec<Block> = Vec::new();
    for block in &same.blocks {
        if !once.contains(block) {
            once.push(block.clone());
        }
    }
    assert!(once.len() < 5);
    assert_eq!(unpack(&at(&same), &car(&once)).await.unwrap(), [7; 1_000]);
    assert_eq!(unpack(&at(&same), &same.car()).await.unwrap(), [7; 1_000]);

    // 0x00: the block is its own hash.
    let inline = base32_text(&[&[1, 0x55, 0, 3][..], b"abc"].concat());
    let none: &[Block] = &[];
    assert_eq!(unpack(&format!("ipfs://{inline}"), &car(none)).await.unwrap(), b"abc");
}

fn base32_text(cid: &[u8]) -> String {
    let mut tree = import(b"", 1, 2);
    tree.blocks[0].cid = cid.to_vec();
    tree.cid()
}

#[tokio::test]
async fn threat_10_a_gateway_that_lies_in_any_way_gives_no_byte_that_is_not_the_files() {
    let tree = import(&data(1_000), 100, 4);
    let change = |at: usize, change: &dyn Fn(&mut Block)| {
        let mut blocks = tree.blocks.clone();
        change(&mut blocks[at]);
        car(&blocks)
    };
    let wrong = change(2, &|block| block.data[0] ^= 1);
    assert!(refused(&at(&tree), &wrong).await.contains("does not have its hash"));
    // A true block of another file in the place of one of this one's.
    let foreign = block(0x55, b"foreign".to_vec());
    let swapped = change(2, &|block| *block = foreign.clone());
    assert!(refused(&at(&tree), &swapped).await.contains("a block is missing"));
    // A root that says that it is the one that was asked for.
    let root = tree.blocks[0].cid.clone();
    let other = import(b"another file altogether", 4, 2);
    let mut posing = other.blocks.clone();
    posing[0].cid = root;
    assert!(refused(&at(&tree), &car(&posing)).await.contains("does not have its hash"));
    // Cut anywhere, it is not whole.
    let whole = tree.car();
    for length in (0..whole.len()).step_by(7) {
        assert!(unpack(&at(&tree), &whole[..length]).await.is_err(), "{length}");
    }
    // Many blocks that nobody asked for are no way to hold a node up.
    let junk: Vec<Block> = (0..20u8).map(|n| block(0x55, vec![n; MAX_BLOCK])).collect();
    assert!(refused(&at(&tree), &car(&junk)).await.contains("not asked for"));
    let large = block(0x55, vec![0; MAX_BLOCK + MAX_NAME]);
    assert!(refused(&at(&tree), &car(&[large])).await.contains("too large"));
    for nonsense in [&b""[..], b"\x00", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"<html></html>"] {
        assert!(unpack(&at(&tree), nonsense).await.is_err());
    }
}

#[tokio::test]
async fn threat_10_a_cycle_cannot_be_written_and_a_bomb_ends_with_its_nodes() {
    // A node that names itself would have to hold its own hash: the nearest that can be sent is one that does not have its own.
    let inner = import(b"x", 10, 2);
    let honest = node(&[("", &inner)], &[0x08, 2]);
    let mut circle = honest.blocks[0].clone();
    let own = circle.cid.clone();
    let place = circle.data.windows(own.len()).position(|w| w == inner.blocks[0].cid).unwrap();
    circle.data[place..place + own.len()].copy_from_slice(&own);
    assert!(refused(&at(&honest), &car(&[circle])).await.contains("does not have its hash"));

    // Nodes of a hundred links each to the same one below, eight deep, and no byte at the end.
    let mut bomb = import(b"", 10, 2);
    for _ in 0..8 {
        let mut below = bomb.clone();
        below.blocks.truncate(1);
        let mut one = node(&vec![("", &below); 100], &[0x08, 2]);
        one.blocks.truncate(1);
        one.blocks.extend(bomb.blocks.clone());
        bomb = one;
    }
    assert!(refused(&at(&bomb), &bomb.car()).await.contains("more nodes than a file of its size"));

    let mut deep = import(b"x", 10, 2);
    for _ in 0..2 * MAX_DEPTH {
        deep = node(&[("", &deep), ("", &import(b"y", 1, 2))], &[0x08, 2]);
    }
    assert!(refused(&at(&deep), &deep.car()).await.contains("deeper or wider"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_at_all_make_the_unpacker_panic_or_give_what_is_not_the_files(
        noise in proptest::collection::vec(0usize..2_000, 1..6), by in 1u8..=255, cut in 0usize..2_000
    ) {
        let tree = import(&data(300), 50, 3);
        let mut car = tree.car();
        for place in noise {
            if let Some(byte) = car.get_mut(place) {
                *byte ^= by;
            }
        }
        car.truncate(cut.max(1));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if let Ok(content) = runtime.block_on(unpack(&at(&tree), &car)) {
            proptest::prop_assert_eq!(content, data(300));
        }
    }

    #[test]
    fn no_text_and_no_bytes_make_reading_a_name_or_a_node_panic(
        text in "(ipfs://)?[bzfQ]?[A-Za-z0-9]{0,60}(/[ -~]{0,8}){0,2}",
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)
    ) {
        let _ = text.parse::<IpfsPath>();
        let _ = Cid::read(&bytes);
        let _ = Node::read(&bytes, 100);
    }
}
