//! What a test's central has published, checked as a gate checks it.

use shared::{
    document::{self, SignedKind, Verified},
    trust_list::{TrustList, open_trust_list},
};

use super::TestCentral;
use crate::{
    db::{
        publications::{self, Place},
        signed_documents::Subject,
    },
    publishing::trust,
};

impl TestCentral {
    /// The newest statement of a kind, by a key that the newest trust list names.
    ///
    /// # Panics
    /// When there is none, or a gate would not take it.
    pub async fn newest<T: SignedKind>(&self, subject: Subject) -> Verified<T> {
        let trust_list = self.trust_list().await;
        let ring = trust_list.document().statement_ring().expect("usable keys");
        let bytes = self.newest_bytes(T::EXTERNAL_DATA, subject).await;
        document::open(&bytes, &ring).expect("a statement that gates take")
    }

    /// The newest trust list, by a registrar that the root set names.
    ///
    /// # Panics
    /// When there is none, or a gate would not take it.
    pub async fn trust_list(&self) -> Verified<TrustList> {
        let transaction = self.app.db.begin_across_schools().await.unwrap();
        let roots = trust::root_set(&transaction).await.unwrap();
        let roots = roots.expect("a root set");
        drop(transaction);
        let bytes = self
            .newest_bytes(TrustList::EXTERNAL_DATA, Subject::Central)
            .await;
        open_trust_list(&bytes, &roots).expect("a trust list that gates take")
    }

    async fn newest_bytes(&self, kind: &'static str, subject: Subject) -> Vec<u8> {
        let transaction = self.app.db.begin_across_schools().await.unwrap();
        let newest = publications::newest(&transaction, Place { kind, subject })
            .await
            .unwrap();
        newest.expect("a document").document
    }
}
