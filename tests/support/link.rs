//! A TCP relay that does to a connection what a bad line and the boxes on it do. What it carries comes in order and once, as
//! TCP has it; but it may come late, in pieces, or up to a point only.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::dice::Dice;

/// What one direction of a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// Each piece comes later, by up to this.
    Late(Duration),
    /// One piece in so many is lost, and those behind it wait until it is sent again: 200 ms to 1 s, as after a retransmission
    /// timeout.
    Loss(u64),
    /// Pieces are held for so long, and come all at once: as after reordering.
    Bursts(Duration),
    /// Byte by byte.
    Bytes,
    /// So many bytes a second.
    Slow(u64),
    /// At some place within so many bytes nothing goes on, and nobody is told. What is held comes when the link is well.
    Holds(u64),
    /// The same for ever: a firewall has forgotten the connection.
    Dies(u64),
    /// RST to both sides, at some place within so many bytes.
    Resets(u64),
    /// FIN to both sides, at some place within so many bytes.
    Ends(u64),
}

/// A link to `to`; its connections end with it.
pub struct Link {
    pub address: SocketAddr,
    /// There and back.
    troubles: watch::Sender<[Trouble; 2]>,
    runtime: Option<Runtime>,
}

/// Why a connection is over.
enum Over {
    Reset,
    End,
}

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self::Reset
    }
}

impl Link {
    pub fn start(to: SocketAddr, dice: Dice) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (troubles, says) = watch::channel([Trouble::None; 2]);
        let count = Arc::new(AtomicUsize::new(0));
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) as u64;
                let (says, dice) = (says.clone(), dice.for_each(number));
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(to).await else { return };
                    carry(near, far, says, dice).await;
                });
            }
        });
        Self { address, troubles, runtime: Some(runtime) }
    }

    /// From now on it does this, there and back, on the connections that are there as well.
    pub fn suffer(&self, there: Trouble, back: Trouble) {
        self.troubles.send_replace([there, back]);
    }

    /// All is well, but for the connections that are over.
    pub fn recover(&self) {
        self.suffer(Trouble::None, Trouble::None);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn carry(near: TcpStream, far: TcpStream, says: watch::Receiver<[Trouble; 2]>, mut dice: Dice) {
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
    }
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
    let other_dice = Dice::new(dice.below(u64::MAX), "back");
    let over = {
        let there = Way { index: 0, says: says.clone(), dice, trouble: Trouble::None, left: 0 };
        let back = Way { index: 1, says, dice: other_dice, trouble: Trouble::None, left: 0 };
        tokio::try_join!(there.carry(&mut near_in, &mut far_out), back.carry(&mut far_in, &mut near_out)).err()
    };
    match over {
        None => {}
        Some(Over::Reset) => {
            let _ = (near_out.as_ref().set_zero_linger(), far_out.as_ref().set_zero_linger());
        }
        Some(Over::End) => {
            let _ = (near_out.shutdown().await, far_out.shutdown().await);
            // With bytes unread, to close would be to reset.
            let (mut near_sink, mut far_sink) = (tokio::io::sink(), tokio::io::sink());
            let drained = async {
                tokio::join!(tokio::io::copy(&mut near_in, &mut near_sink), tokio::io::copy(&mut far_in, &mut far_sink))
            };
            let _ = tokio::time::timeout(Duration::from_secs(1), drained).await;
        }
    }
}

/// One direction of a connection.
struct Way {
    index: usize,
    says: watch::Receiver<[Trouble; 2]>,
    dice: Dice,
    trouble: Trouble,
    /// How many bytes it carries before that is over.
    left: usize,
}

impl Way {
    async fn carry(mut self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Result<(), Over> {
        let mut bytes = vec![0; 16 << 10];
        self.listen();
        loop {
            let count = tokio::select! {
                biased;
                told = self.says.changed() => {
                    if told.is_err() {
                        return Err(Over::Reset);
                    }
                    self.listen();
                    continue;
                }
                count = from.read(&mut bytes) => count?,
            };
            if count == 0 {
                // The end comes behind all else.
                return Ok(to.shutdown().await?);
            }
            self.pass(&bytes[..count], from, to).await?;
        }
    }

    /// Learns what it does now.
    fn listen(&mut self) {
        let trouble = self.says.borrow_and_update()[self.index];
        // What is dead stays dead.
        if matches!(self.trouble, Trouble::Dies(_)) && self.left == 0 {
            return;
        }
        self.trouble = trouble;
        if let Trouble::Holds(within) | Trouble::Dies(within) | Trouble::Resets(within) | Trouble::Ends(within) =
            trouble
        {
            self.left = self.dice.below(within) as usize;
        }
    }

    async fn pass(&mut self, bytes: &[u8], from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Result<(), Over> {
        match self.trouble {
            Trouble::None => to.write_all(bytes).await?,
            Trouble::Late(most) => {
                let time = self.dice.time(Duration::ZERO, most);
                self.wait(time).await;
                to.write_all(bytes).await?;
            }
            Trouble::Loss(one_in) => {
                if self.dice.below(one_in) == 0 {
                    let time = self.dice.time(Duration::from_millis(200), Duration::from_secs(1));
                    self.wait(time).await;
                }
                to.write_all(bytes).await?;
            }
            Trouble::Bursts(time) => {
                let mut held = bytes.to_vec();
                let until = Instant::now() + time;
                while let Ok(Ok(1..)) = timeout_at(until, from.read_buf(&mut held)).await {}
                to.write_all(&held).await?;
            }
            Trouble::Bytes => {
                for byte in bytes.chunks(1) {
                    to.write_all(byte).await?;
                }
            }
            Trouble::Slow(a_second) => {
                for part in bytes.chunks((a_second / 50).max(1) as usize) {
                    self.wait(Duration::from_millis(20)).await;
                    to.write_all(part).await?;
                }
            }
            Trouble::Holds(_) | Trouble::Dies(_) | Trouble::Resets(_) | Trouble::Ends(_) => {
                let carried = bytes.len().min(self.left);
                self.left -= carried;
                to.write_all(&bytes[..carried]).await?;
                if self.left == 0 {
                    self.stop(&bytes[carried..], to).await?;
                }
            }
        }
        Ok(())
    }

    /// The place is reached.
    async fn stop(&mut self, held: &[u8], to: &mut OwnedWriteHalf) -> Result<(), Over> {
        match self.trouble {
            Trouble::Resets(_) => Err(Over::Reset),
            Trouble::Ends(_) => Err(Over::End),
            Trouble::Dies(_) => std::future::pending().await,
            _ => {
                self.says.changed().await.map_err(|_| Over::Reset)?;
                self.listen();
                Ok(to.write_all(held).await?)
            }
        }
    }

    /// So long, or until the link does something else.
    async fn wait(&mut self, time: Duration) {
        // What it does then is learned where the next bytes are read.
        let mut says = self.says.clone();
        tokio::select! {
            () = sleep(time) => {}
            _ = says.changed() => {}
        }
    }
}
