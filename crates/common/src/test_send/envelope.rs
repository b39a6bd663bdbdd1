//! The envelope of a test send, on the batch queue. Its kind is its own: a worker that is older than it says "envelope of
//! another kind", sends nothing, and leaves it to the dead-letter queue.

use super::TestId;
use crate::device::TargetRef;
use crate::envelope::{BatchBody, DeviceView, Devices, UserWriter};
use crate::ids::{CampaignId, ContentId};
use crate::limits::TESTERS_MAX;
use crate::time::UnixMs;
use crate::wire::{Malformed, Reader, put_str16};
use bytes::Bytes;
use std::fmt;

const KIND: u8 = b'T';
const VERSION: u8 = 1;

/// Send a campaign's content to these devices, outside of every run.
#[derive(Clone, PartialEq, Eq)]
pub struct TestEnvelope {
    /// Whose content.
    pub campaign: CampaignId,
    /// Which test.
    pub test: TestId,
    /// The content that was meant: when it was edited since, nothing is sent.
    pub content: ContentId,
    /// Nothing is to reach a phone.
    pub dry_run: bool,
    /// No worker takes it after this, give or take its clock.
    pub take_by: UnixMs,
    /// What the devices' locale numbers mean.
    pub locales: Vec<String>,
    /// One user record without an id: the devices.
    pub body: Bytes,
}

impl fmt::Debug for TestEnvelope {
    /// Never shows the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { campaign, test, dry_run, .. } = self;
        let mut shown = f.debug_struct("TestEnvelope");
        shown.field("campaign", campaign).field("test", test).field("dry_run", dry_run);
        shown.finish_non_exhaustive()
    }
}

impl TestEnvelope {
    /// Whether these bytes are of a test, of whatever version.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.first() == Some(&KIND)
    }

    /// The user record and the locales of these devices.
    #[must_use]
    pub fn devices_of<'a>(
        devices: impl IntoIterator<Item = (TargetRef<'a>, &'a str)>,
    ) -> (Bytes, Vec<String>) {
        let (mut writer, mut locales) = (UserWriter::new(""), Vec::<String>::new());
        for (target, locale) in devices {
            let number = locales.iter().position(|known| known == locale).unwrap_or_else(|| {
                locales.push(locale.to_owned());
                locales.len() - 1
            });
            writer.device(target, u8::try_from(number).unwrap_or(u8::MAX));
        }
        let mut body = Vec::new();
        writer.finish(&mut body);
        (body.into(), locales)
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(100 + self.locales.len() * 8 + self.body.len());
        out.extend_from_slice(&[KIND, VERSION]);
        out.extend_from_slice(self.campaign.0.as_bytes());
        out.extend_from_slice(self.test.0.as_bytes());
        out.extend_from_slice(&self.content.0);
        out.push(u8::from(self.dry_run));
        out.extend_from_slice(&self.take_by.0.to_le_bytes());
        out.push(u8::try_from(self.locales.len()).unwrap_or(u8::MAX));
        for locale in &self.locales {
            put_str16(&mut out, locale);
        }
        out.extend_from_slice(&self.body);
        out.into()
    }

    /// Reads what [`TestEnvelope::encode`] wrote, every device included.
    ///
    /// # Errors
    /// Says at which byte it is not.
    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        if r.u8("envelope kind")? != KIND {
            return Err(r.bad("envelope of another kind"));
        }
        if r.u8("envelope version")? != VERSION {
            return Err(r.bad("envelope of an unknown version"));
        }
        let campaign = CampaignId(uuid::Uuid::from_bytes(r.array("campaign id")?));
        let test = TestId(uuid::Uuid::from_bytes(r.array("test id")?));
        let content = ContentId(r.array("content id")?);
        // Anything but a clear "send" sends nothing.
        let dry_run = r.u8("dry run")? != 0;
        let take_by = UnixMs(r.i64("time to take it by")?);
        let count = r.u8("count of locales")?;
        let locales =
            (0..count).map(|_| r.str16("locale").map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
        let body = bytes.slice(r.at()..);
        let found =
            Devices::find(body.clone(), TESTERS_MAX).map_err(|e| Malformed { at: e.at + r.at(), ..e })?;
        if !(1..=TESTERS_MAX).contains(&found.len()) {
            return Err(r.bad("a test of no device, or of too many"));
        }
        Ok(Self { campaign, test, content, dry_run, take_by, locales, body })
    }

    /// Its devices, each with its place.
    pub fn views(&self) -> impl Iterator<Item = (u16, DeviceView<'_>)> {
        (0..).zip(BatchBody::new(&self.body).devices())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::BatchEnvelope;

    fn envelope() -> TestEnvelope {
        let (apns, fcm) = ([7; 32], "abcdefghij:KLMNOPQRST_-1");
        let devices =
            [(TargetRef::Apns(&apns), "de"), (TargetRef::FcmToken(fcm), ""), (TargetRef::FcmFid("f1"), "de")];
        let (body, locales) = TestEnvelope::devices_of(devices);
        let (campaign, test) = (CampaignId::random(), TestId::random());
        TestEnvelope {
            campaign,
            test,
            content: ContentId([3; 32]),
            dry_run: true,
            take_by: UnixMs(9),
            locales,
            body,
        }
    }

    #[test]
    fn it_survives_its_bytes_and_every_cut_is_an_error() {
        let test = envelope();
        assert_eq!(test.locales, ["de", ""]);
        assert!(!format!("{test:?}").contains("abcdefghij"), "no token is shown");
        let bytes = test.encode();
        assert!(TestEnvelope::is_one(&bytes));
        assert_eq!(TestEnvelope::decode(&bytes), Ok(test.clone()));
        let locales: Vec<_> = test.views().map(|(place, d)| (place, d.locale)).collect();
        assert_eq!(locales, [(0, 0), (1, 1), (2, 0)]);
        for cut in 0..bytes.len() {
            assert!(TestEnvelope::decode(&bytes.slice(..cut)).is_err(), "{cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn damage_is_an_error_or_another_test_and_never_a_panic(at in 0..300_usize, byte: u8, cut in 0..300_usize) {
            let mut bytes = envelope().encode().to_vec();
            let (at, cut) = (at % bytes.len(), cut % bytes.len());
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut);
            if let Ok(test) = TestEnvelope::decode(&bytes.into()) {
                let devices = test.views().count();
                proptest::prop_assert!((1..=TESTERS_MAX).contains(&devices));
            }
        }
    }

    #[test]
    fn workers_that_are_older_refuse_it_and_batches_are_none_of_it() {
        let test = envelope();
        let refusal = BatchEnvelope::decode(&test.encode()).unwrap_err().to_string();
        assert!(refusal.contains("another kind"), "{refusal}");
        assert!(!TestEnvelope::is_one(b"B"));
        let many: Vec<_> = (0..=TESTERS_MAX).map(|_| (TargetRef::FcmFid("f"), "")).collect();
        let (body, locales) = TestEnvelope::devices_of(many);
        assert!(TestEnvelope::decode(&TestEnvelope { body, locales, ..test.clone() }.encode()).is_err());
        let none = TestEnvelope { body: Bytes::new(), ..test };
        assert!(TestEnvelope::decode(&none.encode()).is_err());
    }
}
