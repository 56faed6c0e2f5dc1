//! The connection file that a Jupyter front end writes for its kernel.

use std::{fs, path::Path};

use anyhow::{Context, anyhow, ensure};
use serde::Deserialize;

use super::zmtp::Endpoint;

/// Where the sockets are bound and how messages are signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ConnectionInfo {
    /// `tcp` or `ipc`.
    pub transport: String,
    /// An address for `tcp`, a path's beginning for `ipc`.
    pub ip: String,
    /// The port for cells and questions.
    pub shell_port: u32,
    /// The port for outputs.
    pub iopub_port: u32,
    /// The port for input.
    pub stdin_port: u32,
    /// The port for interrupts and shutdown.
    pub control_port: u32,
    /// The port of the heartbeat.
    pub hb_port: u32,
    /// Empty for messages without signatures.
    #[serde(default)]
    pub key: String,
    /// The way of signing, `hmac-sha256`.
    #[serde(default = "default_scheme")]
    pub signature_scheme: String,
}

fn default_scheme() -> String {
    "hmac-sha256".to_owned()
}

impl ConnectionInfo {
    /// Reads a connection file.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, is not a connection file, or asks for a transport or a
    /// signature scheme that there is not.
    pub fn read(path: &Path) -> anyhow::Result<ConnectionInfo> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "no connection file at {}; Jupyter writes one when it starts a kernel. \
                 To run a notebook without Jupyter use: patchbay run NOTEBOOK",
                path.display()
            )
        })?;
        let info: ConnectionInfo = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a Jupyter connection file", path.display()))?;
        ensure!(
            matches!(info.transport.as_str(), "tcp" | "ipc"),
            "the connection file asks for the transport `{}`; there are tcp and ipc",
            info.transport
        );
        ensure!(
            info.signature_scheme == "hmac-sha256",
            "the connection file asks for the signature scheme `{}`; there is hmac-sha256",
            info.signature_scheme
        );
        Ok(info)
    }

    /// The endpoint of a port.
    ///
    /// # Errors
    ///
    /// Fails where it is no TCP port.
    pub fn endpoint(&self, port: u32) -> anyhow::Result<Endpoint> {
        Ok(match self.transport.as_str() {
            "ipc" => Endpoint::Ipc(format!("{}-{port}", self.ip).into()),
            _ => Endpoint::Tcp {
                host: self.ip.clone(),
                port: u16::try_from(port).map_err(|_| {
                    anyhow!("the connection file has the port {port}; there are 1 to 65535")
                })?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<ConnectionInfo> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel.json");
        fs::write(&path, text).unwrap();
        ConnectionInfo::read(&path)
    }

    #[test]
    fn a_connection_file_is_read() {
        let info = read(
            r#"{"transport": "tcp", "ip": "127.0.0.1", "shell_port": 1, "iopub_port": 2, "stdin_port": 3,
                "control_port": 4, "hb_port": 5, "key": "k", "signature_scheme": "hmac-sha256",
                "kernel_name": "patchbay"}"#,
        )
        .unwrap();
        let endpoint = info.endpoint(info.shell_port).unwrap();
        assert_eq!(endpoint.to_string(), "tcp://127.0.0.1:1");
        assert!(info.endpoint(65536).is_err());
        let ipc = ConnectionInfo {
            transport: "ipc".into(),
            ip: "/run/kernel".into(),
            ..info
        };
        let endpoint = ipc.endpoint(2).unwrap();
        assert_eq!(endpoint.to_string(), "ipc:///run/kernel-2");
    }

    #[test]
    fn bad_files_are_told_apart() {
        assert!(
            format!("{:#}", read("{").unwrap_err()).contains("is not a Jupyter connection file")
        );
        let error = ConnectionInfo::read(Path::new("/nonexistent/kernel.json")).unwrap_err();
        assert!(
            format!("{error:#}").contains("no connection file at"),
            "{error:#}"
        );
        let error = read(
            r#"{"transport": "udp", "ip": "x", "shell_port": 1, "iopub_port": 2, "stdin_port": 3,
                "control_port": 4, "hb_port": 5}"#,
        )
        .unwrap_err();
        assert!(error.to_string().contains("`udp`"));
    }
}
