//! A peer built only from the published `ockam` crate: the other end of interoperability tests.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ockam::identity::models::{CredentialAndPurposeKey, CredentialSchemaIdentifier, TimestampInSeconds};
use ockam::identity::utils::AttributesBuilder;
use ockam::identity::{Identifier, SecureChannelListenerOptions, SecureChannelOptions};
use ockam::tcp::{
    TcpConnectionOptions, TcpInletOptions, TcpListenerOptions, TcpOutletOptions, TcpTransportExtension,
};
use ockam::transport::HostnamePort;
use ockam::vault::{SigningKeyType};
use ockam::{node, route, Address, Context, Node, RelayService, RelayServiceOptions, Result, Route, Routed, Worker};
use ockam::remote::RemoteRelayOptions;
use serde_json::json;

mod extended;
mod live;

struct Echoer;

#[ockam::worker]
impl Worker for Echoer {
    type Context = Context;
    type Message = String;

    async fn handle_message(&mut self, ctx: &mut Context, msg: Routed<String>) -> Result<()> {
        let back = msg.return_route().clone();
        let body = msg.into_body()?;
        ctx.send(back, body).await
    }
}

/// Counts bytes; replies with the total when it gets the word "total".
struct Sink(usize);

#[ockam::worker]
impl Worker for Sink {
    type Context = Context;
    type Message = String;

    async fn handle_message(&mut self, ctx: &mut Context, msg: Routed<String>) -> Result<()> {
        let back = msg.return_route().clone();
        let body = msg.into_body()?;
        if body == "total" {
            let t = self.0;
            self.0 = 0;
            return ctx.send(back, t.to_string()).await;
        }
        self.0 += body.len();
        Ok(())
    }
}

struct Hop;

#[ockam::worker]
impl Worker for Hop {
    type Context = Context;
    type Message = ockam::Any;

    async fn handle_message(&mut self, ctx: &mut Context, msg: Routed<ockam::Any>) -> Result<()> {
        let mut local = msg.into_local_message();
        local = local.pop_front_onward_route()?;
        local = local.push_front_return_route(ctx.primary_address().clone());
        ctx.forward(local).await
    }
}

fn parse_route(first: Address, rest: &[String]) -> Route {
    let mut r = route![first];
    for a in rest {
        let next: Route = route![a.as_str()];
        r = r + next;
    }
    r
}

async fn export(node: &Node, id: &Identifier) -> String {
    hex::encode(node.identities().export_identity(id).await.unwrap())
}

async fn responder(node: &Node, listen: &str, relay: Option<&str>, outlet: Option<&str>) -> Result<()> {
    let tcp = node.create_tcp_transport()?;
    let bob = node.create_identity().await?;
    let listener = tcp.listen(listen, TcpListenerOptions::new()).await?;
    let mut options = SecureChannelListenerOptions::new().as_consumer(listener.flow_control_id());
    let mut to_relay = None;
    if let Some(addr) = relay {
        // what arrives from the relay comes over the dialled connection: the listener must be its consumer too
        let c = tcp.connect(addr, TcpConnectionOptions::new()).await?;
        options = options.as_consumer(c.flow_control_id());
        node.flow_controls().add_consumer(&"plain_echoer".into(), c.flow_control_id());
        to_relay = Some(c);
    }
    let sc = node.create_secure_channel_listener(&bob, "bob_listener", options)?;
    node.start_worker("echoer", Echoer)?;
    node.start_worker("sink", Sink(0))?;
    node.start_worker("hop", Hop)?;
    node.start_worker("plain_echoer", Echoer)?;
    node.flow_controls().add_consumer(&"echoer".into(), sc.flow_control_id());
    node.flow_controls().add_consumer(&"sink".into(), sc.flow_control_id());
    node.flow_controls().add_consumer(&"hop".into(), listener.flow_control_id());
    node.flow_controls().add_consumer(&"plain_echoer".into(), listener.flow_control_id());
    if let Some(to) = outlet {
        let (h, p) = to.rsplit_once(':').unwrap();
        tcp.create_outlet(
            "outlet",
            HostnamePort::new(h, p.parse().unwrap())?,
            TcpOutletOptions::new().as_consumer(sc.flow_control_id()),
        )?;
    }
    if let Some(c) = to_relay {
        let r = node.create_static_relay(route![c], "bob", RemoteRelayOptions::new()).await?;
        println!("{}", json!({"relay": r.remote_address().to_string()}));
    }
    println!("{}", json!({"ready": listener.socket_string(), "identifier": bob.to_string(), "history": export(node, &bob).await}));
    Ok(())
}

async fn middle(node: &Node, listen: &str) -> Result<()> {
    let tcp = node.create_tcp_transport()?;
    let listener = tcp.listen(listen, TcpListenerOptions::new()).await?;
    RelayService::create(
        node.context(),
        "forwarding_service",
        RelayServiceOptions::new()
            .service_as_consumer(listener.flow_control_id())
            .relay_as_consumer(listener.flow_control_id())
            .alias("static_forwarding_service")
            .prefix("forward_to_"),
    )?;
    node.start_worker("hop", Hop)?;
    node.flow_controls().add_consumer(&"hop".into(), listener.flow_control_id());
    println!("{}", json!({"ready": listener.socket_string()}));
    Ok(())
}

async fn connect(node: &Node, to: &str) -> Result<Address> {
    let tcp = node.create_tcp_transport()?;
    let c = tcp.connect(to, TcpConnectionOptions::new()).await?;
    Ok(c.sender_address().clone())
}

fn key_type(kind: &str) -> SigningKeyType {
    match kind {
        "ed25519" => SigningKeyType::EdDSACurve25519,
        _ => SigningKeyType::ECDSASHA256CurveP256,
    }
}

async fn vectors(node: &Node) -> Result<()> {
    let mut out = vec![];
    let creation = node.identities_creation();
    for (kind, rotations, revoke) in [
        ("ed25519", 0, false),
        ("ed25519", 1, false),
        ("ed25519", 3, true),
        ("p256", 0, false),
        ("p256", 2, false),
    ] {
        let id = creation.identity_builder().with_random_key(key_type(kind)).build().await?;
        let mut histories = vec![export(node, &id).await];
        for i in 0..rotations {
            let mut b = creation.identity_builder().with_random_key(if i % 2 == 0 { key_type(kind) } else { SigningKeyType::ECDSASHA256CurveP256 });
            if revoke && i + 1 == rotations {
                b = b.with_purpose_keys_revocation();
            }
            creation.rotate_identity_with_options(&id, b.build_options().await?).await?;
            histories.push(export(node, &id).await);
        }
        let sc = node.identities().purpose_keys().purpose_keys_creation().create_secure_channel_purpose_key(&id).await?;
        let ck = node.identities().purpose_keys().purpose_keys_creation().create_credential_purpose_key(&id).await?;
        out.push(json!({
            "kind": kind, "identifier": id.to_string(), "histories": histories,
            "secure_channel_attestation": hex::encode(minicbor::to_vec(sc.attestation()).unwrap()),
            "credential_attestation": hex::encode(minicbor::to_vec(ck.attestation()).unwrap()),
        }));
    }
    let issuer = node.create_identity().await?;
    let mut creds = vec![];
    for attrs in [
        vec![],
        vec![("role", "sensor")],
        vec![("cluster", "production"), ("floor", "3"), ("name", "Ünïcødé ✓")],
    ] {
        let subject = node.create_identity().await?;
        let mut b = AttributesBuilder::with_schema(CredentialSchemaIdentifier(7));
        let mut m = BTreeMap::new();
        for (k, v) in attrs {
            b = b.with_attribute(k, v);
            m.insert(k, v);
        }
        let c: CredentialAndPurposeKey = node
            .credentials()
            .credentials_creation()
            .issue_credential(&issuer, &subject, b.build(), Duration::from_secs(10 * 365 * 86400))
            .await?;
        creds.push(json!({"subject": subject.to_string(), "subject_history": export(node, &subject).await,
            "attributes": m, "schema": 7, "credential_and_purpose_key": hex::encode(minicbor::to_vec(&c).unwrap())}));
    }
    let _ = TimestampInSeconds(0);
    println!("{}", serde_json::to_string_pretty(&json!({"identities": out,
        "issuer": issuer.to_string(), "issuer_history": export(node, &issuer).await, "credentials": creds})).unwrap());
    Ok(())
}

#[ockam::node]
async fn main(ctx: Context) -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut node = node(ctx).await?;
    match args[0].as_str() {
        "vectors" => {
            vectors(&node).await?;
            node.shutdown().await
        }
        // responder LISTEN [OUTLET_HOST:PORT]
        "responder" => responder(&node, &args[1], None, args.get(2).map(|s| s.as_str())).await,
        // middle LISTEN: relay services forwarding_service and static_forwarding_service, worker hop
        "middle" => middle(&node, &args[1]).await,
        // relayed LISTEN RELAY [OUTLET_HOST:PORT]: a responder also registered at a relay as forward_to_bob
        "relayed" => responder(&node, &args[1], Some(args[2].as_str()), args.get(3).map(|s| s.as_str())).await,
        // send TO BODY ADDR...: plain routed request, prints the reply
        "send" => {
            let c = connect(&node, &args[1]).await?;
            let reply: String = node.send_and_receive(parse_route(c, &args[3..]), args[2].clone()).await?;
            println!("{reply}");
            node.shutdown().await
        }
        // secure TO BODY WORKER LISTENER_ROUTE...: opens a channel, asks WORKER, prints the reply
        "secure" => {
            let c = connect(&node, &args[1]).await?;
            let alice = node.create_identity().await?;
            let ch = node.create_secure_channel(&alice, parse_route(c, &args[4..]), SecureChannelOptions::new()).await?;
            for _ in 0..200 {
                let reply: String = node.send_and_receive(route![ch.clone(), args[3].as_str()], args[2].clone()).await?;
                assert_eq!(reply, args[2]);
            }
            println!("{}", json!({"reply": args[2], "them": ch.their_identifier().to_string()}));
            node.shutdown().await
        }
        // inlet BIND TO LISTENER OUTLET
        "inlet" => {
            let tcp = node.create_tcp_transport()?;
            let c = connect(&node, &args[2]).await?;
            let alice = node.create_identity().await?;
            let ch = node.create_secure_channel(&alice, route![c, args[3].as_str()], SecureChannelOptions::new()).await?;
            tcp.create_inlet(args[1].clone(), route![ch, args[4].as_str()], TcpInletOptions::new()).await?;
            println!("{}", json!({"ready": args[1]}));
            Ok(())
        }
        // bench TO: handshakes, round trips, one-way stream, over one TCP connection
        "bench" => {
            let c = connect(&node, &args[1]).await?;
            let alice = node.create_identity().await?;
            let n = 200;
            let t = Instant::now();
            let mut ch = None;
            for _ in 0..n {
                ch = Some(node.create_secure_channel(&alice, route![c.clone(), "bob_listener"], SecureChannelOptions::new()).await?);
            }
            let hs = n as f64 / t.elapsed().as_secs_f64();
            let ch = ch.unwrap();
            let n = 20000;
            let t = Instant::now();
            for _ in 0..n {
                let _: String = node.send_and_receive(route![ch.clone(), "echoer"], "Hello Ockam!".to_string()).await?;
            }
            let rt = n as f64 / t.elapsed().as_secs_f64();
            let mut streams = serde_json::Map::new();
            for (size, n) in [(64usize, 200_000usize), (1024, 100_000), (32 * 1024, 10_000)] {
                let body = "x".repeat(size);
                let t = Instant::now();
                for _ in 0..n {
                    node.send(route![ch.clone(), "sink"], body.clone()).await?;
                }
                let total: String = node
                    .send_and_receive_extended::<String>(
                        route![ch.clone(), "sink"],
                        "total".to_string(),
                        ockam::MessageSendReceiveOptions::new().with_timeout(Duration::from_secs(120)),
                    )
                    .await?
                    .into_body()?;
                let s = t.elapsed().as_secs_f64();
                assert_eq!(total.parse::<usize>().unwrap(), size * n);
                streams.insert(size.to_string(), json!({"msgs_per_s": n as f64 / s, "MiB_per_s": (size * n) as f64 / s / 1048576.0}));
            }
            println!("{}", json!({"handshakes_per_s": hs, "round_trips_per_s": rt, "one_way": streams}));
            node.shutdown().await
        }
        // the modes that only our tests need
        _ => extended::run(&mut node, &args).await,
    }
}
