//! Where the password of the seed comes from: a file that only its owner reads, or whoever sits here.

use super::Place;
use super::failure::CliError;
use super::output::Terminal;
use lockstep_signer::secret::Password;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Nobody types more, and a file that holds more is another file.
const MAX_BYTES: u64 = 1_024;
/// A password that guards money is not shorter. Units: characters.
const LEAST: usize = 8;
const OTHERS: u32 = 0o077;

/// The password of a seed that exists.
pub(super) fn existing(place: &Place, terminal: &Terminal) -> Result<Password, CliError> {
    match from_file(place)? {
        Some(password) => Ok(Password::new(password.to_string())),
        None => Ok(Password::new(typed("Password: ", terminal)?.to_string())),
    }
}

/// A password for a new seed; typed twice.
pub(super) fn chosen(place: &Place, terminal: &Terminal) -> Result<Password, CliError> {
    let password = match from_file(place)? {
        Some(password) => password,
        None => {
            let first = typed("New password: ", terminal)?;
            if *first != *typed("The same again: ", terminal)? {
                return Err(CliError::refused("the two passwords differ").safe("nothing was made"));
            }
            first
        }
    };
    long_enough(&password)?;
    Ok(Password::new(password.to_string()))
}

fn long_enough(password: &str) -> Result<(), CliError> {
    if password.chars().count() >= LEAST {
        return Ok(());
    }
    Err(CliError::refused(format!("the password has fewer than {LEAST} characters"))
        .safe("nothing was made")
        .advice("choose a longer one: it guards the seed against whoever copies the file"))
}

/// Where the password would come from, in words; of a new seed's also whether it would do.
pub(super) fn source(place: &Place, terminal: &Terminal, is_new: bool) -> Result<String, CliError> {
    match from_file(place)? {
        Some(password) if is_new => long_enough(&password).map(|()| "its file".to_owned()),
        Some(_) => Ok("its file".to_owned()),
        None if terminal.is_person() => Ok("whoever types it here".to_owned()),
        None => Err(nobody_types()),
    }
}

fn nobody_types() -> CliError {
    CliError::refused("the password is not given, and nobody is there to be asked")
        .safe("nothing was done")
        .advice("name a file with it in LOCKSTEP_PASSWORD_FILE or --keys-password-file")
}

fn from_file(place: &Place) -> Result<Option<Zeroizing<String>>, CliError> {
    place.load()?.config.keys.password_file.as_deref().map(read).transpose()
}

fn read(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let refused = |what: String| {
        CliError::refused(format!("password file {} {what}", path.display()))
            .safe("nothing was done")
    };
    let file = fs::File::open(path)
        .map_err(|error| refused(format!("can't be read: {}", error.kind())))?;
    let mode =
        file.metadata().map_err(|error| refused(error.kind().to_string()))?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(refused("can be read by others".to_owned()).advice("chmod 600"));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| refused(format!("can't be read: {}", error.kind())))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(refused("is empty".to_owned()));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

fn typed(question: &str, terminal: &Terminal) -> Result<Zeroizing<String>, CliError> {
    if !terminal.is_person() {
        return Err(nobody_types());
    }
    let password = rpassword::prompt_password(question).map_err(|error| {
        CliError::failed(format!("the password can't be read: {}", error.kind()))
    })?;
    Ok(Zeroizing::new(password))
}
