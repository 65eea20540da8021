//! The modes that the tests of the Python implementation need beyond those of the common peer.
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::Duration;

use ockam::access_control::{AllowAll, CredentialAccessControl};
use ockam::identity::models::{
    CredentialAndPurposeKey, CredentialSchemaIdentifier, PurposeKeyAttestation, PurposePublicKey,
};
use ockam::identity::utils::AttributesBuilder;
use ockam::identity::{
    Identifier, SecureChannel, SecureChannelListenerOptions, SecureChannelOptions, TrustIdentifierPolicy,
    TrustMultiIdentifiersPolicy,
};
use ockam::remote::RemoteRelayOptions;
use ockam::tcp::{TcpConnectionOptions, TcpListenerOptions, TcpTransportExtension};
use ockam::{route, Any, Context, MessageSendReceiveOptions, Node, Result, Route, Routed, Worker};
use serde_json::{json, Value};

use crate::{connect, export, key_type, parse_route, Echoer, Hop, Sink};

const MODES: [&str; 14] = [
    "modes",
    "middle-dial",
    "check-history",
    "check-attestation",
    "check-credential",
    "issue",
    "responder-as",
    "responder-trust",
    "responder-authority",
    "secure-as",
    "secure-trust",
    "secure-authority",
    "register",
    "send-many",
];

/// A refused handshake shows only as the initiator's timeout, so the tests' one is short.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The relay worker of the tutorial's middle node: every message continues on the given route.
struct Relay {
    route: Route,
}

#[ockam::worker]
impl Worker for Relay {
    type Context = Context;
    type Message = Any;

    async fn handle_message(&mut self, ctx: &mut Context, msg: Routed<Any>) -> Result<()> {
        let message = msg
            .into_local_message()
            .pop_front_onward_route()?
            .prepend_front_onward_route(self.route.clone());
        let next = message.next_on_onward_route()?.clone();
        let previous = message.return_route().next()?.clone();
        // each side's connection may send to the other's: replies and later messages pass the same way
        for (consumer, producer) in [(&previous, &next), (&next, &previous)] {
            if let Some(info) = ctx.flow_controls().find_flow_control_with_producer_address(producer) {
                ctx.flow_controls().add_consumer(consumer, info.flow_control_id());
            }
        }
        ctx.forward(message).await
    }
}

fn say(line: Value) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hexadecimal text")
}

fn next_line() -> Option<String> {
    let mut line = String::new();
    let count = std::io::stdin().lock().read_line(&mut line).unwrap();
    (count > 0).then(|| line.trim().to_string())
}

async fn import(node: &Node, history: &str) -> Result<Identifier> {
    node.identities_verification().import(None, &bytes(history)).await
}

async fn create_identity(node: &Node, key: &str, rotations: usize) -> Result<Identifier> {
    let creation = node.identities_creation();
    let identifier = creation.identity_builder().with_random_key(key_type(key)).build().await?;
    for i in 0..rotations {
        // a mixed history: every second key is of the other type
        let other = if key == "ed25519" { "p256" } else { "ed25519" };
        let kind = key_type(if i % 2 == 0 { other } else { key });
        let options = creation.identity_builder().with_random_key(kind).build_options().await?;
        creation.rotate_identity_with_options(&identifier, options).await?;
    }
    Ok(identifier)
}

/// Ends a mode whose result is one verdict.
async fn verdict(node: &mut Node, result: Result<Value>) -> Result<()> {
    match result {
        Ok(value) => say(json!({"accepted": true, "value": value})),
        Err(error) => say(json!({"accepted": false, "error": error.to_string()})),
    }
    node.shutdown().await
}

async fn check_attestation(node: &Node, history: &str, attestation: &str) -> Result<Value> {
    let subject = import(node, history).await?;
    let attestation: PurposeKeyAttestation = minicbor::decode(&bytes(attestation))?;
    let verification = node.purpose_keys().purpose_keys_verification();
    let data = verification.verify_purpose_key_attestation(Some(&subject), &attestation).await?;
    let purpose = match data.public_key {
        PurposePublicKey::SecureChannelStatic(_) => "secure_channel",
        PurposePublicKey::CredentialSigning(_) => "credential",
    };
    Ok(json!({"subject": subject.to_string(), "purpose": purpose, "created_at": *data.created_at, "expires_at": *data.expires_at}))
}

async fn check_credential(node: &Node, issuer_history: &str, subject: &str, credential: &str) -> Result<Value> {
    let issuer = import(node, issuer_history).await?;
    let subject = Identifier::try_from(subject)?;
    let credential: CredentialAndPurposeKey = minicbor::decode(&bytes(credential))?;
    let verification = node.credentials().credentials_verification();
    let data = verification.verify_credential(Some(&subject), &[issuer], &credential).await?.credential_data;
    let attributes: BTreeMap<String, String> = data
        .subject_attributes
        .map
        .iter()
        .map(|(k, v)| (String::from_utf8_lossy(k).into_owned(), String::from_utf8_lossy(v).into_owned()))
        .collect();
    Ok(json!({"attributes": attributes, "schema": data.subject_attributes.schema.0, "created_at": *data.created_at, "expires_at": *data.expires_at}))
}

/// One request per line on the standard input: {"subject": HISTORY, "attributes": {...}, "ttl": SECONDS}.
async fn issue(node: &mut Node) -> Result<()> {
    let issuer = node.create_identity().await?;
    say(json!({"identifier": issuer.to_string(), "history": export(node, &issuer).await}));
    while let Some(line) = next_line() {
        let request: Value = serde_json::from_str(&line).unwrap();
        let subject = import(node, request["subject"].as_str().unwrap()).await?;
        let mut attributes = AttributesBuilder::with_schema(CredentialSchemaIdentifier(1));
        for (key, value) in request["attributes"].as_object().unwrap() {
            attributes = attributes.with_attribute(key.as_str(), value.as_str().unwrap());
        }
        let ttl = Duration::from_secs(request["ttl"].as_u64().unwrap());
        let creation = node.credentials().credentials_creation();
        let credential = creation.issue_credential(&issuer, &subject, attributes.build(), ttl).await?;
        say(json!({"credential": hex::encode(minicbor::to_vec(&credential).unwrap())}));
    }
    node.shutdown().await
}

async fn respond(node: &Node, listen: &str, bob: &Identifier, options: SecureChannelListenerOptions) -> Result<()> {
    let tcp = node.create_tcp_transport()?;
    let listener = tcp.listen(listen, TcpListenerOptions::new()).await?;
    let options = options.as_consumer(listener.flow_control_id());
    let channels = node.create_secure_channel_listener(bob, "bob_listener", options)?;
    node.start_worker("echoer", Echoer)?;
    node.start_worker("sink", Sink(0))?;
    for worker in ["echoer", "sink", "echo"] {
        node.flow_controls().add_consumer(&worker.into(), channels.flow_control_id());
    }
    say(json!({"ready": listener.socket_string(), "identifier": bob.to_string(), "history": export(node, bob).await}));
    Ok(())
}

/// Says who we are, then takes our credential from the standard input (an empty line: none).
async fn credential_of(node: &Node, identifier: &Identifier) -> Option<CredentialAndPurposeKey> {
    say(json!({"identifier": identifier.to_string(), "history": export(node, identifier).await}));
    let line = next_line().unwrap_or_default();
    (!line.is_empty()).then(|| minicbor::decode(&bytes(&line)).unwrap())
}

async fn responder_authority(node: &Node, listen: &str, authority: &str, attribute: &str) -> Result<()> {
    let authority = import(node, authority).await?;
    let bob = node.create_identity().await?;
    let mut options = SecureChannelListenerOptions::new().with_authority(authority.clone());
    if let Some(credential) = credential_of(node, &bob).await {
        options = options.with_credential(credential)?;
    }
    let (key, value) = attribute.split_once('=').expect("KEY=VALUE");
    let required = vec![(key.as_bytes().to_vec(), value.as_bytes().to_vec())];
    let guard = CredentialAccessControl::new(&required, authority, node.identities_attributes());
    node.start_worker_with_access_control("echo", Echoer, guard, AllowAll)?;
    respond(node, listen, &bob, options).await
}

/// Opens a channel, asks the worker `rounds` times and says what came of it.
async fn ask(
    node: &mut Node,
    alice: &Identifier,
    route: Route,
    options: SecureChannelOptions,
    body: &str,
    worker: &str,
    authority: Option<Identifier>,
) -> Result<()> {
    match node.create_secure_channel(alice, route, options.with_timeout(TIMEOUT)).await {
        Err(error) => say(json!({"channel": false, "error": error.to_string()})),
        Ok(channel) => {
            let attributes = match &authority {
                Some(authority) => attributes_of(node, &channel, authority).await?,
                None => Value::Null,
            };
            let mut failure = None;
            for _ in 0..200 {
                let reply = node
                    .send_and_receive_extended::<String>(
                        route![channel.clone(), worker],
                        body.to_string(),
                        MessageSendReceiveOptions::new().with_timeout(TIMEOUT),
                    )
                    .await;
                match reply {
                    Ok(reply) => assert_eq!(reply.into_body()?, body),
                    Err(error) => {
                        failure = Some(error.to_string());
                        break;
                    }
                }
            }
            let them = channel.their_identifier().to_string();
            say(match failure {
                None => json!({"channel": true, "reply": body, "them": them, "attributes": attributes}),
                Some(error) => json!({"channel": true, "error": error, "them": them, "attributes": attributes}),
            });
        }
    }
    node.shutdown().await
}

async fn attributes_of(node: &Node, channel: &SecureChannel, authority: &Identifier) -> Result<Value> {
    let entry = node.identities_attributes().get_attributes(channel.their_identifier(), authority).await?;
    Ok(entry.map_or(Value::Null, |entry| {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        json!(entry.attrs().iter().map(|(k, v)| (text(k), text(v))).collect::<BTreeMap<_, _>>())
    }))
}

async fn middle_dial(node: &Node, listen: &str, to: &str) -> Result<()> {
    let tcp = node.create_tcp_transport()?;
    let connection = tcp.connect(to, TcpConnectionOptions::new()).await?;
    let listener = tcp.listen(listen, TcpListenerOptions::new()).await?;
    for name in ["forward_to_bob", "forward_to_responder"] {
        node.start_worker(name, Relay { route: route![connection.clone()] })?;
        node.flow_controls().add_consumer(&name.into(), listener.flow_control_id());
    }
    node.start_worker("hop", Hop)?;
    node.flow_controls().add_consumer(&"hop".into(), listener.flow_control_id());
    say(json!({"ready": listener.socket_string()}));
    Ok(())
}

async fn register(node: &Node, relay: &str, alias: Option<&String>) -> Result<()> {
    let tcp = node.create_tcp_transport()?;
    let connection = tcp.connect(relay, TcpConnectionOptions::new()).await?;
    node.start_worker("plain_echoer", Echoer)?;
    node.flow_controls().add_consumer(&"plain_echoer".into(), connection.flow_control_id());
    let options = RemoteRelayOptions::new();
    let info = match alias {
        Some(alias) => node.create_static_relay(route![connection], alias.as_str(), options).await?,
        None => node.create_relay(route![connection], options).await?,
    };
    say(json!({"relay": info.remote_address()}));
    Ok(())
}

pub async fn run(node: &mut Node, args: &[String]) -> Result<()> {
    let argument = |i: usize| args.get(i).unwrap_or_else(|| panic!("argument {i} is missing")).as_str();
    match argument(0) {
        "modes" => {
            let modes = [&MODES[..], &crate::live::MODES[..]].concat();
            say(json!({"modes": modes}));
            node.shutdown().await
        }
        // middle-dial LISTEN CONNECT: the tutorial's relays to a dialled responder, and hop
        "middle-dial" => middle_dial(node, argument(1), argument(2)).await,
        // check-history HISTORY
        "check-history" => {
            let result = import(node, argument(1)).await.map(|identifier| json!(identifier.to_string()));
            verdict(node, result).await
        }
        // check-attestation HISTORY ATTESTATION
        "check-attestation" => {
            let result = check_attestation(node, argument(1), argument(2)).await;
            verdict(node, result).await
        }
        // check-credential ISSUER_HISTORY SUBJECT CREDENTIAL
        "check-credential" => {
            let result = check_credential(node, argument(1), argument(2), argument(3)).await;
            verdict(node, result).await
        }
        "issue" => issue(node).await,
        // responder-as LISTEN KEY_TYPE ROTATIONS
        "responder-as" => {
            let bob = create_identity(node, argument(2), argument(3).parse().unwrap()).await?;
            respond(node, argument(1), &bob, SecureChannelListenerOptions::new()).await
        }
        // responder-trust LISTEN IDENTIFIER...: channels with these peers only
        "responder-trust" => {
            let bob = node.create_identity().await?;
            let trusted = args[2..].iter().map(|i| Identifier::try_from(i.as_str())).collect::<Result<Vec<_>>>()?;
            let policy = TrustMultiIdentifiersPolicy::new(trusted);
            respond(node, argument(1), &bob, SecureChannelListenerOptions::new().with_trust_policy(policy)).await
        }
        // responder-authority LISTEN AUTHORITY_HISTORY KEY=VALUE: worker echo for peers with this attribute
        "responder-authority" => responder_authority(node, argument(1), argument(2), argument(3)).await,
        // secure-as TO BODY WORKER KEY_TYPE ROTATIONS LISTENER_ROUTE...
        "secure-as" => {
            let route = parse_route(connect(node, argument(1)).await?, &args[6..]);
            let alice = create_identity(node, argument(4), argument(5).parse().unwrap()).await?;
            ask(node, &alice, route, SecureChannelOptions::new(), argument(2), argument(3), None).await
        }
        // secure-trust TO BODY WORKER IDENTIFIER LISTENER_ROUTE...: the responder must have this identifier
        "secure-trust" => {
            let route = parse_route(connect(node, argument(1)).await?, &args[5..]);
            let alice = node.create_identity().await?;
            let policy = TrustIdentifierPolicy::new(Identifier::try_from(argument(4))?);
            let options = SecureChannelOptions::new().with_trust_policy(policy);
            ask(node, &alice, route, options, argument(2), argument(3), None).await
        }
        // secure-authority TO BODY WORKER AUTHORITY_HISTORY LISTENER_ROUTE...
        "secure-authority" => {
            let route = parse_route(connect(node, argument(1)).await?, &args[5..]);
            let authority = import(node, argument(4)).await?;
            let alice = node.create_identity().await?;
            let mut options = SecureChannelOptions::new().with_authority(authority.clone());
            if let Some(credential) = credential_of(node, &alice).await {
                options = options.with_credential(credential)?;
            }
            ask(node, &alice, route, options, argument(2), argument(3), Some(authority)).await
        }
        // register RELAY [ALIAS]: worker plain_echoer reachable through a relay, named by us or by the relay
        "register" => register(node, argument(1), args.get(2)).await,
        // send-many TO COUNT BODY ADDR...: plain routed round trips, all over one connection
        "send-many" => {
            let connection = connect(node, argument(1)).await?;
            let route = parse_route(connection, &args[4..]);
            let count: usize = argument(2).parse().unwrap();
            for i in 0..count {
                let body = format!("{} {i}", argument(3));
                let reply: String = node.send_and_receive(route.clone(), body.clone()).await?;
                assert_eq!(reply, body);
            }
            say(json!({"replies": count}));
            node.shutdown().await
        }
        _ => crate::live::run(node, args).await,
    }
}
