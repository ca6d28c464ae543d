//! A wire that can be cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes bytes on between a port of its own and another, until it is cut. Ends when dropped.
pub struct Wire {
    pub port: u16,
    whole: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Wire {
    /// A wire to what answers at `url` (`http://` or `ws://`, with host and port).
    pub async fn to(url: &str) -> Self {
        let target = url.rsplit('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (whole, watched) = watch::channel(true);
        let server = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut watched, target) = (watched.clone(), target.clone());
                tokio::spawn(async move {
                    if !*watched.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = watched.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Self { port, whole, server }
    }

    /// Ends all connections, and every new one.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}
