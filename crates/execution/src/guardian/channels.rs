//! The sockets of a kernel, as its only client.

use std::io;
use std::path::Path;
use std::time::Duration;

use jupyter_protocol::{
    ConnectionInfo, ExecuteRequest, InterruptRequest, JupyterMessage, JupyterMessageContent, KernelInfoRequest,
    Transport,
};
use jupyter_zmq_client::{
    ClientControlConnection, ClientIoPubConnection, ClientShellConnection, Connection, RawMessage,
    create_client_control_connection, create_client_iopub_connection, create_client_shell_connection_with_identity,
    peer_identity_for_session,
};
use serde_json::{Value, json};
use uuid::Uuid;
use zeromq::SocketRecv;

use super::message::Message;

/// Maximum bytes of the path of a socket.
const MAX_SOCKET_PATH: usize = 107;
/// Time between two looks for the sockets of a kernel that starts.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Pause after a socket that failed, so that a loop around it does not spin.
const FAILURE_PAUSE: Duration = Duration::from_millis(20);

/// Describes the sockets of a kernel whose own directory this is.
pub(super) fn connection_info(directory: &Path) -> io::Result<ConnectionInfo> {
    let prefix = directory.join("s");
    let prefix = prefix.to_str().ok_or_else(|| io::Error::other("the path of the kernels' directory is not UTF-8"))?;
    let bytes = prefix.len() + "-1".len();
    if bytes > MAX_SOCKET_PATH {
        let why = format!(
            "the path of a kernel's socket, {prefix}-1, has {bytes} bytes, more than the {MAX_SOCKET_PATH} that the system allows: choose a shorter directory for kernels"
        );
        return Err(io::Error::other(why));
    }
    Ok(ConnectionInfo {
        ip: prefix.to_owned(),
        transport: Transport::IPC,
        shell_port: 1,
        iopub_port: 2,
        stdin_port: 3,
        hb_port: 4,
        control_port: 5,
        key: Uuid::new_v4().to_string(),
        signature_scheme: "hmac-sha256".to_owned(),
        kernel_name: None,
    })
}

/// A message and the socket that it came from.
#[derive(Debug)]
pub(super) enum Received {
    Shell(Message),
    IoPub(Message),
}

pub(super) struct Channels {
    iopub: ClientIoPubConnection,
    shell: ClientShellConnection,
    control: ClientControlConnection,
}

impl Channels {
    /// Connects as soon as the kernel has made its sockets. Waits for ever if it does not.
    pub(super) async fn connect(info: &ConnectionInfo) -> jupyter_zmq_client::Result<Self> {
        for port in [info.iopub_port, info.shell_port, info.control_port] {
            let path = format!("{}-{port}", info.ip);
            while !Path::new(&path).exists() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
        let session = Uuid::new_v4().to_string();
        let identity = peer_identity_for_session(&session)?;
        Ok(Self {
            iopub: create_client_iopub_connection(info, "", &session).await?,
            shell: create_client_shell_connection_with_identity(info, &session, identity).await?,
            control: create_client_control_connection(info, &session).await?,
        })
    }

    /// Waits for a message of the kernel. Cancel safe: a message stays in its socket until it is whole.
    pub(super) async fn receive(&mut self) -> Received {
        loop {
            let received = tokio::select! {
                message = receive(&mut self.iopub) => message.map(Received::IoPub),
                message = receive(&mut self.shell) => message.map(Received::Shell),
                // Nothing but replies to interrupts.
                _ = receive(&mut self.control) => None,
            };
            if let Some(received) = received {
                return received;
            }
        }
    }

    /// Sends code, and returns the id of the message.
    pub(super) async fn execute(
        &mut self,
        code: String,
        position: Option<usize>,
    ) -> jupyter_zmq_client::Result<String> {
        let request = ExecuteRequest {
            code,
            silent: position.is_none(),
            // Values of cells are kept by their names alone.
            store_history: false,
            user_expressions: None,
            allow_stdin: false,
            stop_on_error: false,
        };
        // The start-up code of the kernel reads it.
        let metadata = position.map_or_else(|| json!({}), |position| json!({ "quire_position": position }));
        self.send_to_shell(request, metadata).await
    }

    /// Asks the kernel what it is: a message without an effect.
    pub(super) async fn ask_for_info(&mut self) -> jupyter_zmq_client::Result<String> {
        self.send_to_shell(KernelInfoRequest {}, json!({})).await
    }

    pub(super) async fn interrupt(&mut self) -> jupyter_zmq_client::Result<()> {
        self.control.send(JupyterMessage::new(InterruptRequest {}, None)).await
    }

    async fn send_to_shell(
        &mut self,
        content: impl Into<JupyterMessageContent>,
        metadata: Value,
    ) -> jupyter_zmq_client::Result<String> {
        let mut message = JupyterMessage::new(content, None);
        message.metadata = metadata;
        let id = message.header.msg_id.clone();
        self.shell.send(message).await?;
        Ok(id)
    }
}

/// Waits for one message of a socket; `None` for one that is none of the protocol.
async fn receive<S: SocketRecv>(connection: &mut Connection<S>) -> Option<Message> {
    if let Ok(message) = connection.socket.recv().await {
        return Message::read(RawMessage::from_multipart(message, &connection.mac).ok()?);
    }
    // The kernel has closed it, or has ended, which its process tells.
    tokio::time::sleep(FAILURE_PAUSE).await;
    None
}
