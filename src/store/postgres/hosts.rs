//! Splits an address that names several hosts into one configuration per host, so that the timeout can be divided among
//! them.

use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts};

/// Returns a configuration for each host, in the order of the address. A configuration stays as it is if its hosts are
/// tried in random order, or if the client is going to refuse it because the numbers of hosts, addresses, and ports do
/// not match.
pub(super) fn split(config: Config) -> Vec<Config> {
    let (hosts, ips, ports) = (
        config.get_hosts(),
        config.get_hostaddrs(),
        config.get_ports(),
    );
    let count = hosts.len().max(ips.len());
    let fits = |length: usize| length == 0 || length == count;
    if count == 0
        || !fits(hosts.len())
        || !fits(ips.len())
        || !(ports.len() <= 1 || fits(ports.len()))
        || config.get_load_balance_hosts() == LoadBalanceHosts::Random
    {
        return vec![config];
    }
    let port = |number: usize| ports.get(number).or(ports.first()).copied();
    (0..count)
        .map(|number| only(&config, hosts.get(number), ips.get(number), port(number)))
        .collect()
}

/// Returns the same configuration with a single host.
fn only(config: &Config, host: Option<&Host>, ip: Option<&IpAddr>, port: Option<u16>) -> Config {
    let mut one = Config::new();
    match host {
        Some(Host::Tcp(name)) => _ = one.host(name),
        Some(Host::Unix(path)) => _ = one.host_path(path),
        None => {}
    }
    _ = ip.map(|ip| one.hostaddr(*ip));
    _ = port.map(|port| one.port(port));
    _ = config.get_user().map(|name| one.user(name));
    _ = config.get_password().map(|password| one.password(password));
    _ = config.get_dbname().map(|name| one.dbname(name));
    _ = config.get_options().map(|options| one.options(options));
    let name = config.get_application_name();
    _ = name.map(|name| one.application_name(name));
    let time = config.get_connect_timeout();
    _ = time.map(|time| one.connect_timeout(*time));
    let time = config.get_tcp_user_timeout();
    _ = time.map(|time| one.tcp_user_timeout(*time));
    let time = config.get_keepalives_interval();
    _ = time.map(|time| one.keepalives_interval(time));
    let count = config.get_keepalives_retries();
    _ = count.map(|count| one.keepalives_retries(count));
    one.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every parameter except the hosts.
    const PARAMETERS: &str = "user=q password=p dbname=d options=-cx=1 application_name=a sslmode=require \
         sslnegotiation=direct connect_timeout=3 tcp_user_timeout=4 keepalives=0 keepalives_idle=5 \
         keepalives_interval=6 keepalives_retries=7 target_session_attrs=read-write channel_binding=require";

    fn parsed(hosts: &str) -> Config {
        format!("{hosts} {PARAMETERS}").parse().expect("valid")
    }

    #[test]
    fn each_host_has_its_port_and_everything_else() {
        for (all, each) in [
            ("host=a", &["host=a"][..]),
            ("host=/run/x port=6", &["host=/run/x port=6"]),
            ("host=a,b", &["host=a", "host=b"]),
            ("host=a,b port=6", &["host=a port=6", "host=b port=6"]),
            ("host=a,b port=6,7", &["host=a port=6", "host=b port=7"]),
            (
                "host=a,b hostaddr=10.0.0.1,10.0.0.2",
                &["host=a hostaddr=10.0.0.1", "host=b hostaddr=10.0.0.2"],
            ),
            (
                "hostaddr=10.0.0.1,10.0.0.2",
                &["hostaddr=10.0.0.1", "hostaddr=10.0.0.2"],
            ),
            ("host=a,b,c port=6,7", &["host=a,b,c port=6,7"]),
            (
                "host=a,b load_balance_hosts=random",
                &["host=a,b load_balance_hosts=random"],
            ),
        ] {
            let expected: Vec<Config> = each.iter().map(|host| parsed(host)).collect();
            assert_eq!(split(parsed(all)), expected, "{all}");
        }
    }

    #[test]
    fn an_address_lists_its_hosts_with_commas() {
        let config = "postgres://q@a:6,b/d?target_session_attrs=read-write".parse();
        let expected = ["host=a port=6", "host=b port=5432"].map(|host| {
            let text = format!("{host} user=q dbname=d target_session_attrs=read-write");
            text.parse::<Config>().expect("valid")
        });
        assert_eq!(split(config.expect("valid")), expected);
    }
}
