//! How a connection comes about: as ureq makes it, but a failure on the way there can be told from one that comes later.

use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, SocksConnector, TcpConnector,
};

use super::tls::Tls;

/// What exchanges requests for answers by `config`, and over `tls` where an address says so.
pub(super) fn agent(config: Config, tls: Tls) -> Agent {
    let connector =
        ().chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(tls);
    Agent::with_parts(config, Connect(connector), DefaultResolver::default())
}

/// A connector whose errors are [`Unconnected`].
#[derive(Debug)]
struct Connect<C>(C);

/// There is no connection: names, proxies, certificates and closed ports do not mend themselves as a line that was cut
/// does.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unconnected(ureq::Error);

impl<C: Connector> Connector for Connect<C> {
    type Out = C::Out;

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

/// The error without what says that it kept a connection from coming about, and whether it did. The way to a proxy is a
/// connection of its own, so that it may have been said twice.
pub(super) fn cause(error: ureq::Error) -> (ureq::Error, bool) {
    match error {
        ureq::Error::Other(other) => match other.downcast::<Unconnected>() {
            Ok(unconnected) => (cause(unconnected.0).0, true),
            Err(other) => (ureq::Error::Other(other), false),
        },
        error => (error, false),
    }
}
