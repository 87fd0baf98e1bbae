//! Going from one URL to the next: `Location` headers, and whom to trust on the way.

use std::net::IpAddr;

use reqwest::Url;

/// Redirects followed for one request; registries use one, to their object store.
pub(super) const HOPS_MAX: usize = 5;

/// Resolves a `Location`, absolute or relative, against the URL that answered with it.
///
/// Refused are other schemes than HTTP, user names in URLs, and leaving TLS.
pub(super) fn resolve(from: &Url, location: &str) -> Result<Url, String> {
    let to = from
        .join(location)
        .map_err(|error| format!("its Location is not a URL ({error})"))?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(format!("it sent us to a {} URL", to.scheme()));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err("it sent us from HTTPS to plain HTTP".to_owned());
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err("it sent us to a URL with a user name".to_owned());
    }
    Ok(to)
}

/// Whether both are the same scheme, host and port: credentials never go further.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// The session URL with `digest` added; its own query (a signed state) is kept.
pub(super) fn with_query(url: &Url, name: &str, value: &str) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair(name, value);
    url
}

/// Whether this host is this machine, by its name alone.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some(host) => {
            host.eq_ignore_ascii_case("localhost")
                || literal(host).is_some_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// Whether a public registry has no business sending us there: a cloud's metadata
/// service, a router, this machine.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                // Shared address space of carriers (RFC 6598), and "this network".
                || (first == 100 && (64..128).contains(&second))
                || first == 0
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// Whether `url` leads to a private address; names are looked up.
///
/// A name that cannot be looked up is not private: behind a proxy only the proxy can.
pub(super) async fn leads_to_private(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    if let Some(address) = literal(host) {
        return is_private(address);
    }
    let port = url.port_or_known_default().unwrap_or(443);
    match tokio::net::lookup_host((host, port)).await {
        Ok(mut addresses) => addresses.any(|address| is_private(address.ip())),
        Err(_) => false,
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn locations_are_resolved_and_keep_their_query() {
        let from = url("https://r.example/v2/a/blobs/uploads/");
        for (location, expected) in [
            (
                "/v2/a/blobs/uploads/7?_state=x%3D",
                "https://r.example/v2/a/blobs/uploads/7?_state=x%3D",
            ),
            ("7", "https://r.example/v2/a/blobs/uploads/7"),
            ("https://s3.example/b?sig=1", "https://s3.example/b?sig=1"),
            ("//s3.example/b", "https://s3.example/b"),
        ] {
            assert_eq!(resolve(&from, location).unwrap(), url(expected));
        }
        let put = with_query(
            &url("https://r.example/u?_state=x%3D"),
            "digest",
            "sha256:1",
        );
        assert_eq!(put.query(), Some("_state=x%3D&digest=sha256%3A1"));
    }

    #[test]
    fn dangerous_locations_are_refused() {
        let from = url("https://r.example/v2/");
        for location in [
            "http://r.example/",
            "file:///etc/passwd",
            "https://u:p@r.example/",
            "https://",
        ] {
            assert!(resolve(&from, location).is_err(), "{location}");
        }
        assert!(resolve(&url("http://localhost:5000/"), "http://localhost:5001/").is_ok());
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        let one = url("https://r.example/a");
        assert!(same_origin(&one, &url("https://r.example:443/b")));
        for other in [
            "http://r.example/a",
            "https://r.example:444/a",
            "https://r.example.evil/a",
        ] {
            assert!(!same_origin(&one, &url(other)), "{other}");
        }
    }

    #[tokio::test]
    async fn private_addresses_are_told_from_public_ones() {
        for host in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "[::1]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "localhost",
        ] {
            assert!(
                leads_to_private(&url(&format!("http://{host}/"))).await,
                "{host}"
            );
        }
        for host in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "[2001:4860::8888]"] {
            assert!(
                !leads_to_private(&url(&format!("http://{host}/"))).await,
                "{host}"
            );
        }
        assert!(is_loopback(&url("http://127.9.9.9:5000/")) && is_loopback(&url("http://[::1]/")));
        assert!(!is_loopback(&url("http://localhost.example/")));
    }
}
