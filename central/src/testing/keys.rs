//! A test's central with keys: root set, registrar, statement key, trust list.

use shared::root_set::sign_by_roots;

use super::{STATEMENTS_KEK, TestCentral};
use crate::{
    db::signing_keys::{self, KeyPurpose, NewKey},
    issuing::SealedKey,
    keys::{PrivateKey, sealing::KeyEncryptionKey},
    publishing::trust,
    randomness::Randomness,
    signers::StatementDuty,
};

/// The keys that a real central's server never has.
#[derive(Debug)]
pub struct TestKeys {
    /// Names the registrar.
    pub root: PrivateKey,
    /// Signs trust lists.
    pub registrar: PrivateKey,
}

/// Starts a [`TestCentral`] that has keys.
///
/// # Panics
/// When there is no PostgreSQL to be had.
pub async fn central_with_keys() -> (TestCentral, TestKeys) {
    let central = super::central().await;
    let keys = TestKeys {
        root: PrivateKey::from_seed(&[11; 32]),
        registrar: PrivateKey::from_seed(&[12; 32]),
    };
    keys.make_statement_key(&central).await;
    keys.publish_root_set(&central).await;
    keys.publish_trust_list(&central).await;
    (central, keys)
}

impl TestKeys {
    /// Makes a statement key, which no trust list names yet.
    ///
    /// # Panics
    /// When the database fails.
    pub async fn make_statement_key(&self, central: &TestCentral) {
        let duty = StatementDuty::new(KeyEncryptionKey::new(&STATEMENTS_KEK));
        let (public_key, sealed) = duty.create(&Randomness::System);
        let pair = SealedKey { public_key, sealed };
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let key = NewKey {
            pair: &pair,
            purpose: KeyPurpose::Statement,
            school_id: None,
            signing: None,
            verification: None,
            standby_kid: None,
        };
        signing_keys::insert(&transaction, &key, central.clock.now())
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    async fn publish_root_set(&self, central: &TestCentral) {
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        let set = trust::draft_root_set(
            &transaction,
            1,
            vec![self.root.public()],
            vec![self.registrar.public()],
            central.clock.now(),
        )
        .await
        .unwrap();
        let signed = sign_by_roots(&set, &[&self.root]).unwrap();
        trust::publish_root_set(&transaction, &signed)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    /// Publishes a trust list of all keys that there are.
    ///
    /// # Panics
    /// When the database fails.
    pub async fn publish_trust_list(&self, central: &TestCentral) {
        let transaction = central.app.db.begin_across_schools().await.unwrap();
        trust::publish_trust_list(&transaction, &self.registrar, central.clock.now())
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    /// Makes an issuer key for the school at `path`, trusted at once; its kid.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn issuer(&self, central: &TestCentral, path: &str) -> String {
        let made = central
            .post(&format!("{path}/issuer-keys"), serde_json::json!({}))
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        self.publish_trust_list(central).await;
        made.json["kid"].as_str().expect("a kid").to_owned()
    }
}
