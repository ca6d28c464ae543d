//! Ports of a job's container that anybody reaches by an address, or anybody who has the token.

use gridlease_sdk::node_api::client::NodeApi;
use gridlease_sdk::node_api::public::{Public, PublicPort, Token};
use serde::Serialize;
use solana_pubkey::Pubkey;

use super::event::as_text;
use super::forward::patiently;
use super::{Buyer, LeaseAt};
use crate::error::CliError;
use crate::printable::printable;

/// Who may visit a port, and where.
#[derive(Clone, Debug, Serialize)]
pub struct Exposed {
    /// Its number in the container.
    pub port: u16,
    /// Its name in addresses.
    pub name: String,
    /// Who may visit it.
    pub public: Public,
    /// Its address.
    pub url: String,
    /// The token that opens it. It is shown once, where it was made: nobody else has it.
    pub token: Option<String>,
    /// The address for a browser, which brings the token by it once.
    pub link: Option<String>,
}

/// The ports of a job's lease.
#[derive(Clone, Debug, Serialize)]
pub struct ExposedPorts {
    /// The job.
    #[serde(serialize_with = "as_text")]
    pub job: Pubkey,
    /// The lease.
    #[serde(serialize_with = "as_text")]
    pub lease: Pubkey,
    /// The ports.
    pub ports: Vec<Exposed>,
}

impl Exposed {
    fn new(port: PublicPort, endpoint: &str, token: Option<&Token>) -> Self {
        Self {
            url: port.address(endpoint),
            link: token.map(|token| port.link(endpoint, token)),
            token: token.map(|token| token.text().to_owned()),
            port: port.port,
            name: printable(&port.name),
            public: port.public,
        }
    }
}

impl Buyer {
    /// The lease of a job, which need not run yet, and its node.
    async fn leased(&self, job: &Pubkey) -> Result<(LeaseAt, NodeApi), CliError> {
        let lease = self.lease_of(job).await?;
        if lease.over {
            return Err(CliError::ContainerEnded { job: *job, exit_code: None });
        }
        let node = self.node_of(&lease.provider, &lease.lease).await?;
        Ok((lease, node))
    }

    /// The ports of a job's lease, or the one that `port` names, and who may visit them.
    ///
    /// # Errors
    /// As [`Buyer::expose`].
    pub async fn exposed(&self, job: &Pubkey, port: Option<&str>) -> Result<ExposedPorts, CliError> {
        let (LeaseAt { lease, .. }, node) = self.leased(job).await?;
        let mut known = patiently(|| node.status(&lease)).await?.ports;
        if let Some(port) = port {
            known = vec![find(job, port, &known)?.clone()];
        }
        let ports = known.into_iter().map(|port| Exposed::new(port, node.endpoint(), None)).collect();
        Ok(ExposedPorts { job: *job, lease, ports })
    }

    /// Decides who may visit a port, which is named by its name in the manifest or by its number. For [`Public::Token`] a new token
    /// is made; one of before opens nothing any more.
    ///
    /// # Errors
    /// [`CliError::Usage`] for a port that the manifest does not name, [`CliError::ContainerEnded`] where the lease is over, or the
    /// node's.
    pub async fn expose(&self, job: &Pubkey, port: &str, public: Public) -> Result<ExposedPorts, CliError> {
        let (LeaseAt { lease, .. }, node) = self.leased(job).await?;
        let known = patiently(|| node.status(&lease)).await?.ports;
        let number = find(job, port, &known)?.port;
        let token = (public == Public::Token).then(Token::random);
        let told = patiently(|| node.expose(&lease, number, public, token.as_ref())).await?;
        Ok(ExposedPorts { job: *job, lease, ports: vec![Exposed::new(told, node.endpoint(), token.as_ref())] })
    }
}

fn find<'p>(job: &Pubkey, port: &str, known: &'p [PublicPort]) -> Result<&'p PublicPort, CliError> {
    let found = known.iter().find(|known| known.name == port || known.port.to_string() == port);
    found.ok_or_else(|| CliError::Usage(not_named(job, port, known)))
}

fn not_named(job: &Pubkey, port: &str, known: &[PublicPort]) -> String {
    if known.is_empty() {
        return format!(
            "the node knows of no ports of job {job}; they stand in the manifest under ports, which the node has some seconds after its award"
        );
    }
    let told = |known: &PublicPort| match printable(&known.name) {
        name if name == known.port.to_string() => name,
        name => format!("{name} ({})", known.port),
    };
    let names: Vec<_> = known.iter().map(told).collect();
    format!("the manifest of job {job} does not name port {port}; it names {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(url: Option<&str>) -> PublicPort {
        PublicPort {
            port: 80,
            name: "web".to_owned(),
            public: Public::Token,
            token_set: true,
            path: "/s/x/web/".to_owned(),
            url: url.map(str::to_owned),
        }
    }

    #[test]
    fn an_address_is_the_nodes_with_the_path_or_its_own_name_and_a_link_brings_the_token() {
        let token = Token::random();
        let told = Exposed::new(port(None), "https://node:8443", Some(&token));
        assert_eq!(told.url, "https://node:8443/s/x/web/");
        assert_eq!(told.link.unwrap(), format!("https://node:8443/s/x/web/?gridlease_token={}", token.text()));
        let hostile =
            PublicPort { name: "w\u{1b}[2Jb".to_owned(), path: "/s/\u{1b}]0;x/".to_owned(), ..port(Some("ftp://x/")) };
        let told = Exposed::new(hostile, "https://node:8443/", None);
        assert_eq!((told.name.as_str(), told.url.as_str()), ("wb", "https://node:8443/s/]0;x/"));
        let told = Exposed::new(port(Some("https://web-x.jobs.example.com/")), "https://node:8443", None);
        assert_eq!((told.url.as_str(), told.link, told.token), ("https://web-x.jobs.example.com/", None, None));
    }

    #[test]
    fn a_port_that_is_not_named_is_told_with_those_that_are() {
        let job = Pubkey::default();
        assert!(not_named(&job, "8080", &[port(None)]).ends_with("does not name port 8080; it names web (80)"));
        assert!(not_named(&job, "8080", &[]).contains("under ports"));
        for by in ["web", "80"] {
            assert_eq!(find(&job, by, &[port(None)]).unwrap().port, 80);
        }
        assert!(matches!(find(&job, "8080", &[port(None)]), Err(CliError::Usage(_))));
    }
}
