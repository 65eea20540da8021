//! Modes for credentials that are asked for at an issuer, identities that are rotated while their node runs, and
//! key-exchange-only channels.
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

use ockam::access_control::AllowAll;
use ockam::access_control::{CredentialAccessControl, IdentityIdAccessControl};
use ockam::identity::models::CredentialSchemaIdentifier;
use ockam::identity::utils::AttributesBuilder;
use ockam::identity::{
    DecryptionRequest, DecryptionResponse, EncryptionRequest, EncryptionResponse, Identifier,
    RemoteCredentialRetrieverCreator, RemoteCredentialRetrieverInfo,
    SecureChannelListenerOptions, SecureChannelOptions, Vault,
};
use ockam::tcp::{TcpConnectionOptions, TcpListenerOptions, TcpTransport, TcpTransportExtension, TCP};
use ockam::vault::{EdDSACurve25519SecretKey, SigningSecret, SoftwareVaultForSigning};
use ockam::{route, Address, Context, Node, Result, Routed, Worker};
use ockam_core::api::{Request, Response};
use ockam_core::SecureChannelLocalInfo;
use serde_json::json;

use crate::{connect, parse_route, Echoer};

pub const MODES: [&str; 6] = [
    "credential-issuer",
    "credential-server",
    "credential-client",
    "secure-rotate",
    "key-exchange-responder",
    "key-exchange-initiator",
];

fn say(line: serde_json::Value) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hexadecimal text")
}

/// A node that is a given identity.
async fn node_as(ctx: &Context, history: &str, secret: &str) -> Result<(Node, Identifier)> {
    let signing = SoftwareVaultForSigning::create().await?;
    let secret = EdDSACurve25519SecretKey::new(bytes(secret).try_into().unwrap());
    let handle = signing.import_key(SigningSecret::EdDSACurve25519(secret)).await?;
    let mut vault = Vault::create().await?;
    vault.identity_vault = signing;
    let node = Node::builder().await?.with_vault(vault).build(ctx)?;
    let identifier = node.import_private_identity(None, &bytes(history), &handle).await?;
    Ok((node, identifier))
}

/// What the reference's own worker does (it is not in this crate): POST / with no body, answered with a credential.
struct CredentialIssuer {
    node: Arc<Node>,
    issuer: Identifier,
}

#[ockam::worker]
impl Worker for CredentialIssuer {
    type Context = Context;
    type Message = Request<Vec<u8>>;

    async fn handle_message(&mut self, ctx: &mut Context, msg: Routed<Request<Vec<u8>>>) -> Result<()> {
        let subject = SecureChannelLocalInfo::find_info(msg.local_message())?.their_identifier();
        let subject = Identifier::from(subject);
        let back = msg.return_route().clone();
        let request = msg.into_body()?.header().clone();
        assert_eq!(request.path(), "/");
        let attributes = AttributesBuilder::with_schema(CredentialSchemaIdentifier(1))
            .with_attribute("cluster", "production")
            .build();
        let creation = self.node.credentials().credentials_creation();
        let ttl = std::time::Duration::from_secs(3600);
        let credential = creation.issue_credential(&self.issuer, &subject, attributes, ttl).await?;
        let response = Response::ok().with_headers(&request).body(minicbor::to_vec(&credential).unwrap());
        ctx.send(back, response).await
    }
}

async fn credential_issuer(ctx: &Context, listen: &str, history: &str, secret: &str, members: &[String]) -> Result<()> {
    let (node, issuer) = node_as(ctx, history, secret).await?;
    let node = Arc::new(node);
    let tcp = node.create_tcp_transport()?;
    let listener = tcp.listen(listen, TcpListenerOptions::new()).await?;
    let options = SecureChannelListenerOptions::new().as_consumer(listener.flow_control_id());
    let channels = node.create_secure_channel_listener(&issuer, "api", options)?;
    let members = members.iter().map(|m| Identifier::try_from(m.as_str())).collect::<Result<Vec<_>>>()?;
    let guard = IdentityIdAccessControl::new(members);
    let worker = CredentialIssuer { node: node.clone(), issuer };
    node.start_worker_with_access_control("credential_issuer", worker, guard, AllowAll)?;
    node.flow_controls().add_consumer(&"credential_issuer".into(), channels.flow_control_id());
    say(json!({"ready": listener.socket_string()}));
    Ok(())
}

fn retriever(node: &Node, tcp: &TcpTransport, issuer: &Identifier, at: &str) -> Result<Arc<RemoteCredentialRetrieverCreator>> {
    let info = RemoteCredentialRetrieverInfo::create_for_project_member(issuer.clone(), route![(TCP, at), "api"]);
    let ctx = node.context().new_detached(
        Address::random_local(),
        ockam_core::DenyAll,
        ockam_core::AllowAll,
    )?;
    Ok(Arc::new(RemoteCredentialRetrieverCreator::new(
        ctx,
        Arc::new(tcp.clone()),
        node.secure_channels(),
        info,
        "test".to_string(),
    )))
}

async fn credential_server(ctx: &Context, listen: &str, issuer_at: &str, issuer: &str, history: &str, secret: &str) -> Result<()> {
    let (node, server) = node_as(ctx, history, secret).await?;
    let issuer = Identifier::try_from(issuer)?;
    let tcp = node.create_tcp_transport()?;
    let creator = retriever(&node, &tcp, &issuer, issuer_at)?;
    let listener = tcp.listen(listen, TcpListenerOptions::new()).await?;
    let options = SecureChannelListenerOptions::new()
        .with_authority(issuer.clone())
        .with_credential_retriever_creator(creator)?
        .as_consumer(listener.flow_control_id());
    let channels = node.create_secure_channel_listener(&server, "api", options)?;
    let required = vec![(b"cluster".to_vec(), b"production".to_vec())];
    let guard = CredentialAccessControl::new(&required, issuer, node.identities_attributes());
    node.start_worker_with_access_control("echo", Echoer, guard, AllowAll)?;
    node.flow_controls().add_consumer(&"echo".into(), channels.flow_control_id());
    say(json!({"ready": listener.socket_string()}));
    Ok(())
}

/// Asks `echo` once, and again whenever a line comes.
async fn credential_client(ctx: &Context, to: &str, issuer_at: &str, issuer: &str, history: &str, secret: &str) -> Result<()> {
    let (mut node, client) = node_as(ctx, history, secret).await?;
    let issuer = Identifier::try_from(issuer)?;
    let tcp = node.create_tcp_transport()?;
    let creator = retriever(&node, &tcp, &issuer, issuer_at)?;
    let connection = tcp.connect(to, TcpConnectionOptions::new()).await?;
    let options = SecureChannelOptions::new()
        .with_authority(issuer.clone())
        .with_credential_retriever_creator(creator)?;
    let channel = node.create_secure_channel(&client, route![connection, "api"], options).await?;
    let known = node.identities_attributes().get_attributes(channel.their_identifier(), &issuer).await?;
    let attributes = known.map(|entry| {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        entry.attrs().iter().map(|(k, v)| (text(k), text(v))).collect::<BTreeMap<_, _>>()
    });
    let reply: String = node.send_and_receive(route![channel.clone(), "echo"], "Hello Ockam!".to_string()).await?;
    say(json!({"reply": reply, "attributes": attributes}));
    let mut line = String::new();
    let lines = tokio::task::spawn_blocking(move || std::io::stdin().lock().read_line(&mut line).unwrap());
    lines.await.unwrap();
    node.shutdown().await
}

/// Asks over a channel, rotates the identity, asks over another channel.
async fn secure_rotate(node: &mut Node, to: &str, worker: &str, hops: &[String]) -> Result<()> {
    let alice = node.create_identity().await?;
    let mut replies = vec![];
    for round in 0..2 {
        let route = parse_route(connect(node, to).await?, hops);
        let channel = node.create_secure_channel(&alice, route, SecureChannelOptions::new()).await?;
        let reply: String = node.send_and_receive(route![channel.clone(), worker], format!("round {round}")).await?;
        replies.push(reply);
        if round == 0 {
            say(json!({"history": crate::export(node, &alice).await}));
            node.identities_creation().rotate_identity(&alice).await?;
        }
    }
    say(json!({"replies": replies, "identifier": alice.to_string(), "history": crate::export(node, &alice).await}));
    node.shutdown().await
}

/// Lines `encrypt HEX` and `decrypt HEX`, answered with hexadecimal text.
async fn serve_api(node: &Node, encryptor_api: Address, decryptor_api: Address) -> Result<()> {
    loop {
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).unwrap();
            line
        });
        let line = line.await.unwrap();
        let Some((what, text)) = line.trim().split_once(' ') else { return Ok(()) };
        let result = match what {
            "encrypt" => {
                let request = EncryptionRequest(bytes(text));
                match node.send_and_receive::<EncryptionResponse>(route![encryptor_api.clone()], request).await? {
                    EncryptionResponse::Ok(data) => Some(data),
                    EncryptionResponse::Err(_) => None,
                }
            }
            _ => {
                let request = DecryptionRequest(bytes(text));
                match node.send_and_receive::<DecryptionResponse>(route![decryptor_api.clone()], request).await? {
                    DecryptionResponse::Ok(data) => Some(data),
                    DecryptionResponse::Err(_) => None,
                }
            }
        };
        say(json!({"result": result.map(hex::encode)}));
    }
}

async fn key_exchange_responder(node: &mut Node, listen: &str) -> Result<()> {
    let tcp = node.create_tcp_transport()?;
    let bob = node.create_identity().await?;
    let listener = tcp.listen(listen, TcpListenerOptions::new()).await?;
    let options = SecureChannelListenerOptions::new().as_consumer(listener.flow_control_id()).key_exchange_only();
    node.create_secure_channel_listener(&bob, "key_exchanger", options)?;
    say(json!({"ready": listener.socket_string(), "identifier": bob.to_string()}));
    loop {
        let found = node.secure_channels().secure_channel_registry().get_channel_list();
        if let Some(entry) = found.first() {
            say(json!({"their_identifier": entry.their_id().to_string()}));
            serve_api(node, entry.encryptor_api_address().clone(), entry.decryptor_api_address().clone()).await?;
            return node.shutdown().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn key_exchange_initiator(node: &mut Node, to: &str) -> Result<()> {
    let alice = node.create_identity().await?;
    let connection = connect(node, to).await?;
    let options = SecureChannelOptions::new().key_exchange_only();
    let channel = node.create_secure_channel(&alice, route![connection, "key_exchanger"], options).await?;
    say(json!({"identifier": alice.to_string(), "their_identifier": channel.their_identifier().to_string()}));
    serve_api(node, channel.encryptor_api_address().clone(), channel.decryptor_api_address().clone()).await?;
    node.shutdown().await
}

pub async fn run(node: &mut Node, args: &[String]) -> Result<()> {
    let argument = |i: usize| args.get(i).unwrap_or_else(|| panic!("argument {i} is missing")).as_str();
    match argument(0) {
        // credential-issuer LISTEN HISTORY SECRET MEMBER...: cluster=production for the members
        "credential-issuer" => {
            credential_issuer(node.context(), argument(1), argument(2), argument(3), &args[4..]).await
        }
        // credential-server LISTEN ISSUER_ADDRESS ISSUER HISTORY SECRET: worker echo for cluster=production
        "credential-server" => {
            credential_server(node.context(), argument(1), argument(2), argument(3), argument(4), argument(5)).await
        }
        // credential-client TO ISSUER_ADDRESS ISSUER HISTORY SECRET: keeps its channel until a line comes
        "credential-client" => {
            credential_client(node.context(), argument(1), argument(2), argument(3), argument(4), argument(5)).await
        }
        // secure-rotate TO WORKER LISTENER_ROUTE...
        "secure-rotate" => secure_rotate(node, argument(1), argument(2), &args[3..]).await,
        // key-exchange-responder LISTEN
        "key-exchange-responder" => key_exchange_responder(node, argument(1)).await,
        // key-exchange-initiator TO
        "key-exchange-initiator" => key_exchange_initiator(node, argument(1)).await,
        other => panic!("unknown mode {other}"),
    }
}
