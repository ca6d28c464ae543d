//! An array of frames, each a job of its own, rendered by Blender.

use gridlease_demo::market::MarketOptions;

use super::{Running, copy, find, world_with};
use crate::newcomer::User;

/// Width and height of a PNG, and the bytes of its pixels.
fn pixels(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(frame.bit_depth, png::BitDepth::Eight);
    (frame.width, frame.height, pixels)
}

#[tokio::test(flavor = "multi_thread")]
async fn blender_renders_an_array_of_frames_as_jobs_side_by_side() {
    let Some(world) = world_with(MarketOptions::default(), &["blender"]).await else { return };
    let user = User::funded(&world).await;
    copy(&world, &user, "blender");
    let frames = ["1", "7", "13"];
    let render = async |frame: &str| {
        let (number, output) = (format!("FRAME={frame}"), format!("frames/{frame}"));
        let args = ["blender/job.yaml", "--env", &number, "--output", &output];
        let (mut post, _) = Running::post(&user, &args).await;
        assert_eq!(post.ended().await, Some(0), "frame {frame}");
        let number: u32 = frame.parse().unwrap();
        find(&user.home.join(output), &format!("frame-{number:04}.png"))
    };
    // More of them than there are machines.
    let files = futures_util::future::join_all(frames.map(render)).await;
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for file in &files {
        let (width, height, pixels) = pixels(file);
        assert_eq!((width, height), (320, 180));
        let (dark, bright) = (pixels.iter().min().unwrap(), pixels.iter().max().unwrap());
        assert!(bright - dark > 100, "it is a picture: {dark} to {bright}");
        assert!(seen.iter().all(|other| *other != pixels), "each is another");
        seen.push(pixels);
    }
    world.stop().await;
}
