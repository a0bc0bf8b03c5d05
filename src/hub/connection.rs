//! How a connection comes about: as ureq makes it, but a failure on the way there can be told from one that comes later.

use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, Transport};

/// ureq's own connector, whose errors are [`Unconnected`].
#[derive(Debug, Default)]
pub(super) struct Connect(DefaultConnector);

/// There is no connection: names, proxies, certificates and closed ports do not mend themselves as a line that was cut
/// does.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unconnected(ureq::Error);

impl Connector<()> for Connect {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0
            .connect(details, chained)
            .map_err(|error| ureq::Error::Other(Box::new(Unconnected(error))))
    }
}

/// The error under any number of [`Unconnected`], and whether it was under one. The way to a proxy is a connection of its
/// own, so that there may be two.
pub(super) fn cause(error: ureq::Error) -> (ureq::Error, bool) {
    match error {
        ureq::Error::Other(other) => match other.downcast::<Unconnected>() {
            Ok(unconnected) => (cause(unconnected.0).0, true),
            Err(other) => (ureq::Error::Other(other), false),
        },
        error => (error, false),
    }
}
