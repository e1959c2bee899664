//! What an operator can set: a TOML file, environment variables over it, flags over both.

use std::{
    fmt,
    io::ErrorKind,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;

/// Read when no file is named, if it exists.
const DEFAULT_FILE: &str = "/etc/portcullis/central.toml";
const DEFAULT_LISTEN: &str = "127.0.0.1:8480";
const DEFAULT_DATA_DIRECTORY: &str = "/var/lib/portcullis";
const DEFAULT_DATA_DIRECTORY_UNPRIVILEGED: &str = "portcullis-data";

/// Everything central was told, settled.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Where central keeps what is its own.
    pub data_directory: PathBuf,
    /// Which PostgreSQL holds the records.
    pub database: DatabaseSource,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The address under which gates and people reach central; by default what it listens on.
    pub public_url: Option<String>,
    /// How the log is written.
    pub log_format: LogFormat,
}

/// Which PostgreSQL holds the records.
#[derive(Clone, Debug)]
pub enum DatabaseSource {
    /// A private one in the data directory.
    Embedded,
    /// The operator's, as `DATABASE_URL` names it.
    Url(Box<tokio_postgres::Config>),
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line a person reads.
    Text,
    /// One JSON object for each line.
    Json,
}

impl LogFormat {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// The flags every command takes, with their environment variables.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// Configuration file [default: /etc/portcullis/central.toml, if it exists]
    #[arg(
        long = "config",
        value_name = "FILE",
        env = "PORTCULLIS_CONFIG",
        global = true
    )]
    pub config: Option<PathBuf>,
    /// Directory for everything central keeps [default: /var/lib/portcullis; ./portcullis-data for an
    /// ordinary user]
    #[arg(long, value_name = "DIR", env = "PORTCULLIS_DATA_DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// PostgreSQL to use instead of a private one
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        global = true
    )]
    pub database_url: Option<String>,
    /// How the log is written [default: text]
    #[arg(long, value_enum, env = "PORTCULLIS_LOG_FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
}

/// The flags of commands that open the server's port.
#[derive(Args, Clone, Debug, Default)]
pub struct ServerFlags {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8480]
    #[arg(long, value_name = "ADDRESS:PORT", env = "PORTCULLIS_LISTEN")]
    pub listen: Option<String>,
    /// Address under which gates and people reach central, such as `https://passes.example.org`
    #[arg(long, value_name = "URL", env = "PORTCULLIS_PUBLIC_URL")]
    pub public_url: Option<String>,
}

/// The file's keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKeys {
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    listen: Option<String>,
    public_url: Option<String>,
    log_format: Option<LogFormat>,
}

impl Configuration {
    /// Settles flags, environment and file.
    ///
    /// # Errors
    /// When the file cannot be read or has an unknown key, or a value makes no sense.
    pub fn settle(flags: &Flags, server: &ServerFlags) -> anyhow::Result<Self> {
        let (file, keys) = read_file(flags.config.as_deref())?;
        let listen = server.listen.clone().or(keys.listen);
        let database_url = flags.database_url.clone().or(keys.database_url);
        let public_url = server.public_url.clone().or(keys.public_url);
        Ok(Self {
            file,
            data_directory: flags
                .data_dir
                .clone()
                .or(keys.data_dir)
                .unwrap_or_else(default_data_directory),
            database: database_url
                .as_deref()
                .map_or(Ok(DatabaseSource::Embedded), parse_database)?,
            listen: parse_listen(listen.as_deref().unwrap_or(DEFAULT_LISTEN))?,
            public_url: public_url.as_deref().map(parse_public_url).transpose()?,
            log_format: flags
                .log_format
                .or(keys.log_format)
                .unwrap_or(LogFormat::Text),
        })
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self
            .file
            .as_deref()
            .map_or("none".into(), |file| file.display().to_string());
        writeln!(f, "file          {file}")?;
        writeln!(f, "data_dir      {}", self.data_directory.display())?;
        writeln!(f, "database      {}", self.database)?;
        writeln!(f, "listen        {}", self.listen)?;
        let public_url = self.public_url.as_deref().unwrap_or("what it listens on");
        writeln!(f, "public_url    {public_url}")?;
        write!(f, "log_format    {}", self.log_format.name())
    }
}

impl fmt::Display for DatabaseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("private PostgreSQL in data_dir"),
            Self::Url(config) => {
                let name = config.get_dbname().or(config.get_user()).unwrap_or("?");
                write!(f, "{name} on {}", crate::db::hosts(config))
            }
        }
    }
}

fn read_file(named: Option<&Path>) -> anyhow::Result<(Option<PathBuf>, FileKeys)> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => {
            return Ok((None, FileKeys::default()));
        }
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the configuration file {}", path.display()));
        }
    };
    let keys = toml::from_str(&text)
        .with_context(|| format!("the configuration file {} is not usable", path.display()))?;
    Ok((Some(path.to_owned()), keys))
}

fn default_data_directory() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let standard = Path::new(DEFAULT_DATA_DIRECTORY);
    if uid == 0 || std::fs::metadata(standard).is_ok_and(|metadata| metadata.uid() == uid) {
        return standard.to_owned();
    }
    PathBuf::from(DEFAULT_DATA_DIRECTORY_UNPRIVILEGED)
}

fn parse_database(url: &str) -> anyhow::Result<DatabaseSource> {
    if let Some(mode) = ["verify-ca", "verify-full"]
        .iter()
        .find(|mode| url.contains(**mode))
    {
        bail!(
            "DATABASE_URL: sslmode={mode} is spelt sslmode=require here, and always verifies the server's \
             certificate and name (SSL_CERT_FILE names authorities of your own)"
        );
    }
    // The text holds a password: it is not repeated in the message.
    let config = url.parse().context(
        "DATABASE_URL is not a PostgreSQL address: write it as postgresql://user:password@host:5432/database",
    )?;
    Ok(DatabaseSource::Url(Box::new(config)))
}

fn parse_listen(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| {
        format!("listen: {text:?} is not an IP address and a port, such as {DEFAULT_LISTEN} or [::]:8480")
    })
}

fn parse_public_url(text: &str) -> anyhow::Result<String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.contains(['?', '#', ' '])) else {
        bail!("public_url: {text:?} is not an address such as https://passes.example.org");
    };
    let _ = rest;
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(file: &str, flags: Flags, server: ServerFlags) -> anyhow::Result<Configuration> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("central.toml");
        std::fs::write(&path, file).unwrap();
        Configuration::settle(
            &Flags {
                config: Some(path),
                ..flags
            },
            &server,
        )
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = "listen = \"127.0.0.1:1\"\ndata_dir = \"/a\"\n";
        let flags = Flags {
            data_dir: Some("/b".into()),
            ..Flags::default()
        };
        let configuration = settle(file, flags, ServerFlags::default()).unwrap();
        assert_eq!(configuration.listen.port(), 1);
        assert_eq!(configuration.data_directory, Path::new("/b"));
        assert_eq!(configuration.log_format, LogFormat::Text);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = settle("lisen = \"x\"", Flags::default(), ServerFlags::default()).unwrap_err();
        assert!(format!("{error:#}").contains("lisen"), "{error:#}");
    }

    #[test]
    fn a_named_file_must_exist() {
        let flags = Flags {
            config: Some("/nowhere.toml".into()),
            ..Flags::default()
        };
        let error = Configuration::settle(&flags, &ServerFlags::default()).unwrap_err();
        assert!(format!("{error:#}").contains("/nowhere.toml"), "{error:#}");
    }

    #[test]
    fn a_database_address_never_shows_its_password() {
        let url = "postgresql://central:s3cret@db.example:5432/passes";
        let flags = Flags {
            database_url: Some(url.into()),
            ..Flags::default()
        };
        let configuration = settle("", flags, ServerFlags::default()).unwrap();
        let shown = format!("{configuration} {configuration:?}");
        assert!(
            shown.contains("passes on db.example:5432") && !shown.contains("s3cret"),
            "{shown}"
        );
        let flags = Flags {
            database_url: Some("s3cret".into()),
            ..Flags::default()
        };
        let error = settle("", flags, ServerFlags::default()).unwrap_err();
        assert!(!format!("{error:#}").contains("s3cret"), "{error:#}");
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_an_example() {
        let server = ServerFlags {
            listen: Some("8480".into()),
            ..ServerFlags::default()
        };
        let error = settle("", Flags::default(), server)
            .unwrap_err()
            .to_string();
        assert!(error.contains("127.0.0.1:8480"), "{error}");
        let server = ServerFlags {
            public_url: Some("passes.example".into()),
            ..ServerFlags::default()
        };
        let error = settle("", Flags::default(), server)
            .unwrap_err()
            .to_string();
        assert!(error.contains("https://"), "{error}");
    }
}
