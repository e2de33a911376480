//! The body of an answer, whole or spoilt.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// The body of an answer.
///
/// Mostly the bytes of the answer and nothing else; a [`Fault`](crate::Fault) can make it stop half way, fail half
/// way, or go on for long.
#[derive(Debug)]
pub struct Body {
    /// What is sent next; empty when the end is reached.
    data: Bytes,
    /// What is announced, less what has been sent.
    announced: u64,
    end: End,
}

#[derive(Debug)]
enum End {
    Whole,
    Hang,
    /// Fails, but one turn later: the half that went before has to leave the machine first.
    Fail {
        has_paused: bool,
    },
    Flood {
        left: u64,
    },
}

impl Body {
    pub(crate) fn whole(data: Bytes) -> Self {
        Self { announced: data.len() as u64, data, end: End::Whole }
    }

    pub(crate) fn hanging(data: &Bytes) -> Self {
        Self { announced: data.len() as u64, data: data.slice(..data.len() / 2), end: End::Hang }
    }

    pub(crate) fn truncated(data: &Bytes) -> Self {
        let end = End::Fail { has_paused: false };
        Self { announced: data.len() as u64, data: data.slice(..data.len() / 2), end }
    }

    pub(crate) fn flood(length: u64) -> Self {
        // It begins like a secret, so that a reader which does not measure goes on reading.
        let start = &FLOOD_START[..FLOOD_START.len().min(usize::try_from(length).unwrap_or(usize::MAX))];
        let left = length - start.len() as u64;
        Self { data: Bytes::from_static(start), announced: length, end: End::Flood { left } }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.data.is_empty() {
            match &mut self.end {
                End::Whole => return Poll::Ready(None),
                End::Hang => return Poll::Pending,
                End::Fail { has_paused: true } => {
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                End::Fail { has_paused } => {
                    *has_paused = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                End::Flood { left: 0 } => return Poll::Ready(None),
                End::Flood { left } => {
                    let length = FLOOD.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= length as u64;
                    self.data = Bytes::from_static(&FLOOD[..length]);
                }
            }
        }
        let data = std::mem::take(&mut self.data);
        self.announced -= data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.announced == 0 && self.data.is_empty() && matches!(self.end, End::Whole | End::Flood { left: 0 })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

const FLOOD_START: &[u8] = br#"{"value":""#;
static FLOOD: [u8; 16 * 1024] = [b'a'; 16 * 1024];
