//! Tests errors within a stream, and recorded refusals.

use super::*;

#[test]
fn errors_within_a_stream_are_errors() {
    use CallErrorKind::*;
    let anthropic = |error: &str| {
        format!(
            "data: {{\"type\":\"content_block_delta\",\"delta\":{{\"text\":\"hel\"}}}}\n\nevent: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{error}\",\"message\":\"x\"}}}}\n\n"
        )
    };
    for (kind, body, expected) in [
        (ApiFormat::Anthropic, anthropic("overloaded_error"), Overloaded),
        (ApiFormat::Anthropic, anthropic("rate_limit_error"), RateLimited),
        (ApiFormat::Anthropic, anthropic("api_error"), Overloaded),
        (ApiFormat::Anthropic, anthropic("invalid_request_error"), Rejected),
        (ApiFormat::Anthropic, anthropic("authentication_error"), Auth),
        (ApiFormat::Anthropic, anthropic("billing_error"), Money),
        (ApiFormat::Gemini, "data: {\"error\":{\"code\":503,\"message\":\"x\",\"status\":\"UNAVAILABLE\"}}\n\n".into(), Overloaded),
        (ApiFormat::Gemini, "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n".into(), Rejected),
        (ApiFormat::Gemini, "data: {\"candidates\":[{\"finishReason\":\"SAFETY\"}]}\n\n".into(), Rejected),
        (ApiFormat::Gemini, "data: {\"candidates\":[{\"finishReason\":\"MALFORMED_FUNCTION_CALL\"}]}\n\n".into(), Malformed),
        (ApiFormat::Gemini, "data: {\"candidates\":[{\"finishReason\":\"MAX_TOKENS\"}]}\n\n".into(), Empty),
        (ApiFormat::Responses, "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}}\n\n".into(), Overloaded),
        (ApiFormat::Responses, "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"x\"}\n\n".into(), RateLimited),
        (ApiFormat::Responses, "data: {\"type\":\"response.refusal.delta\",\"delta\":\"no\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n".into(), Rejected),
        (ApiFormat::Ollama, "{\"message\":{\"content\":\"hel\"}}\n{\"error\":\"model runner has stopped\"}\n".into(), Overloaded),
        (ApiFormat::Ollama, "{\"message\":{\"content\":\"hel\"}}\noops\n".into(), Malformed),
    ] {
        let error = decode(kind, &[body.as_bytes()], &request_with(Parameters::default())).2.expect_err(&body);
        assert_eq!(error.kind, expected, "{body}");
    }
    let cut_stream = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"hel\"}\n\ndata: {\"type\":\"response.incomplete\",\"response\":{\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}\n\n";
    let answer = decode(
        ApiFormat::Responses,
        &[cut_stream.as_bytes()],
        &request_with(Parameters::default()),
    )
    .2
    .unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.finish),
        ("hel", Finish::Length)
    );
}

#[test]
fn recorded_refusals_are_classified() {
    for (status, body, kind, expected_message) in [
        (
            404,
            recording!("error-404-anthropic.json"),
            CallErrorKind::Rejected,
            "the provider refused the request (404)",
        ),
        (
            404,
            recording!("error-404-gemini.json"),
            CallErrorKind::Rejected,
            "the provider does not know this model (404)",
        ),
        (
            404,
            recording!("error-404-openai.json"),
            CallErrorKind::Rejected,
            "the provider does not know this model (404)",
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
            CallErrorKind::Auth,
            "the provider does not accept the key (400)",
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 300000 tokens > 200000 maximum"}}"#,
            CallErrorKind::Rejected,
            "the question with its documents is longer than the model can read: its maximum context length is 200000 tokens (400)",
        ),
        (
            413,
            r#"{"type":"error","error":{"type":"request_too_large","message":"x"}}"#,
            CallErrorKind::Rejected,
            "the question with its documents is longer than the model can read (413)",
        ),
    ] {
        let refusal = error(status, &|_| None, body);
        assert_eq!(
            (refusal.kind, refusal.detail.as_str()),
            (kind, expected_message),
            "{body}"
        );
    }
    let quota = |id: &str| {
        format!(
            r#"{{"error":{{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED","details":[{{"violations":[{{"quotaId":"{id}"}}]}},{{"retryDelay":"17.5s"}}]}}}}"#
        )
    };
    assert_eq!(
        error(429, &|_| None, &quota("RequestsPerMinute")).retry_after_ms,
        Some(17_500)
    );
    assert_eq!(
        error(429, &|_| None, &quota("RequestsPerDay")).retry_after_ms,
        Some(3_600_000)
    );
}
