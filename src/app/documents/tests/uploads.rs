//! Tests of chunked uploads.

use super::*;

#[test]
fn uploads_accept_parts_in_any_order_and_resume_in_another_process() {
    let installation = Installation::new();
    let text = "word ".repeat(500);
    let announced = UploadAnnouncement {
        file_name: "parts.txt".into(),
        size: 2_500,
        chunk_size: 1_000,
        total_chunks: 3,
    };
    let owner = user(1).id;
    let part = async |documents: &DocumentService, number: usize| {
        let mut incoming = documents.begin().expect("begun");
        let end = (number * 1_000 + 1_000).min(text.len());
        incoming
            .write(&text.as_bytes()[number * 1_000..end])
            .await
            .expect("room");
        incoming.finish().await.expect("whole")
    };
    let first = installation.documents();
    let id = installation.runtime.block_on(async {
        let id = first
            .announce(&owner, announced.clone(), now())
            .await
            .expect("announced")
            .id;
        let received = part(&first, 2).await;
        let progress = first
            .put_part(&owner, &id, 2, received, now())
            .await
            .expect("taken");
        assert_eq!(progress.received_parts, [2]);
        let wrong = part(&first, 2).await;
        assert_eq!(
            first
                .put_part(&owner, &id, 0, wrong, now())
                .await
                .map_err(|e| e.kind),
            Err(Kind::BadInput)
        );
        let early = first
            .finalize(&owner, &id, now())
            .await
            .map_err(|e| e.public);
        assert_eq!(
            early.map(|d| d.id),
            Err("2 of 3 parts are missing: 0, 1".to_owned())
        );
        assert_eq!(
            first
                .progress(&user(2).id, &id, now())
                .await
                .map_err(|e| e.kind),
            Err(Kind::Missing)
        );
        id
    });
    drop(first);
    let second = installation.documents();
    installation.runtime.block_on(async {
        second.run_housekeeping(now(), true).await.expect("tidied");
        for number in [1, 0] {
            let received = part(&second, number).await;
            second
                .put_part(&owner, &id, number as u32, received, now())
                .await
                .expect("taken");
        }
        let document = second.finalize(&owner, &id, now()).await.expect("whole");
        assert_eq!((document.size, document.words), (2_500, 500));
        assert_eq!(
            (installation.files("uploads"), installation.files("tmp")),
            (0, 0)
        );
        assert!(second.progress(&owner, &id, now()).await.is_err());
    });
}

#[test]
fn upload_announcements_are_validated_bounded_and_expire() {
    let installation = Installation::new();
    let documents = installation.documents();
    let owner = user(1).id;
    let announced = |size, chunk_size, total_chunks| UploadAnnouncement {
        file_name: "a".into(),
        size,
        chunk_size,
        total_chunks,
    };
    installation.runtime.block_on(async {
        for (size, chunk, total, expected) in [
            (0, 10, 0, Kind::BadInput),
            (10, 0, 1, Kind::BadInput),
            (10, 3, 3, Kind::BadInput),
            (100_001, 100_001, 1, Kind::TooLarge),
            (100_000, 1, 100_000, Kind::BadInput),
            (u64::MAX, u64::MAX, 1, Kind::TooLarge),
        ] {
            let refusal = documents
                .announce(&owner, announced(size, chunk, total), now())
                .await;
            assert_eq!(
                refusal.map_err(|e| e.kind),
                Err(expected),
                "{size} {chunk} {total}"
            );
        }
        for _ in 0..8 {
            documents
                .announce(&owner, announced(10, 3, 4), now())
                .await
                .expect("room");
        }
        let ninth_upload = documents.announce(&owner, announced(10, 3, 4), now()).await;
        assert_eq!(ninth_upload.map_err(|e| e.kind), Err(Kind::Conflict));
        let tomorrow = now() + std::time::Duration::from_secs(90_000);
        assert!(
            documents
                .announce(&owner, announced(10, 3, 4), tomorrow)
                .await
                .is_ok()
        );
    });
}
