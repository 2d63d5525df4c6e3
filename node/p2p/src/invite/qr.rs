//! An invite as a QR code that a terminal can show.

use qrcodegen::{QrCode, QrCodeEcc};

use super::InviteError;

/// Units: modules around the code, as the standard asks for.
const QUIET_ZONE: i32 = 4;

/// Two rows of modules in one line of half blocks. Light modules are drawn: a terminal is dark.
pub(super) fn render(text: &str) -> Result<String, InviteError> {
    // Capitals, digits and the colon take 5.5 bits each instead of 8.
    let code = QrCode::encode_text(&text.to_ascii_uppercase(), QrCodeEcc::Low)
        .map_err(|_| InviteError::NoQr)?;
    let end = code.size().saturating_add(QUIET_ZONE);
    let is_light = |x, y| !code.get_module(x, y) && y < end;
    let start = QUIET_ZONE.saturating_neg();
    let mut lines = String::new();
    let rows = (start..end).step_by(2);
    for y in rows {
        for x in start..end {
            lines.push(match (is_light(x, y), is_light(x, y.saturating_add(1))) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        lines.push('\n');
    }
    Ok(lines)
}
