package kafkaconf

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
)

// Checks that several causes recommend.
const (
	brokersLogs   = "the brokers' logs"
	brokersIfLong = "the brokers, if it lasts"
)

// codeCause is the cause of some of Kafka's error codes.
type codeCause struct {
	code        Code
	what, check string
	errors      []sarama.KError
}

// codeCauses covers all error codes that sarama knows, and the newer ones that a broker may send to programs like these.
func codeCauses() []codeCause {
	return []codeCause{
		// Rights.
		{"topic_forbidden", "this user is not authorized for the topic", "TOPIC, and the user's rights (ACLs)", []sarama.KError{sarama.ErrTopicAuthorizationFailed}},
		{"group_forbidden", "this user is not authorized for the consumer group", "CONSUMERGROUP, and the user's rights (ACLs)", []sarama.KError{sarama.ErrGroupAuthorizationFailed}},
		{"cluster_forbidden", "this user is not authorized for the cluster", "the user's rights (ACLs)", []sarama.KError{
			sarama.ErrClusterAuthorizationFailed, sarama.ErrTransactionalIDAuthorizationFailed,
		}},
		{"policy_violation", "a policy of the brokers forbids it", "the brokers' policies", []sarama.KError{sarama.ErrPolicyViolation}},
		{"credentials_refused", "Kafka does not accept the credentials", "the variables KAFKA_SASL_…, or KAFKA_TOKEN_FILE", []sarama.KError{
			sarama.ErrSASLAuthenticationFailed, sarama.ErrDelegationTokenAuthDisabled, sarama.ErrDelegationTokenNotFound,
			sarama.ErrDelegationTokenOwnerMismatch, sarama.ErrDelegationTokenRequestNotAllowed, sarama.ErrDelegationTokenAuthorizationFailed,
			sarama.ErrDelegationTokenExpired, sarama.ErrInvalidPrincipalType, errPrincipalUnreadable,
		}},
		{"mechanism_unsupported", "the broker does not offer this way to sign in", "KAFKA_SASL_MECHANISM", []sarama.KError{sarama.ErrUnsupportedSASLMechanism}},
		{"sign_in_unexpected", "the broker does not expect anyone to sign in at this port", "KAFKA_SECURITY_PROTOCOL and the port in BROKERS", []sarama.KError{
			sarama.ErrIllegalSASLState, sarama.ErrSecurityDisabled,
		}},
		{"quota_exceeded", "the quota at the brokers is used up", "KAFKA_CLIENT_ID, and the user's quotas", []sarama.KError{sarama.ErrThrottlingQuotaExceeded}},

		// Records.
		{"topic_missing", "the topic does not exist", "TOPIC", []sarama.KError{sarama.ErrUnknownTopicOrPartition}},
		{"topic_name_invalid", "the topic's name is not allowed", "TOPIC", []sarama.KError{sarama.ErrInvalidTopic}},
		{TopicRecreated, "the topic was recreated", "TOPIC, if it lasts", []sarama.KError{errUnknownTopicID, errInconsistentTopicID, errFetchSessionTopicID}},
		{"message_too_large", "the message is too large for the topic", "the topic's max.message.bytes", []sarama.KError{sarama.ErrMessageSizeTooLarge}},
		{"batch_too_large", "the batch is too large for the topic", "the topic's segment.bytes", []sarama.KError{sarama.ErrMessageSetSizeTooLarge}},
		{"record_invalid", "the topic does not take the record; a compacted one takes only records with a key", "the topic's cleanup.policy, and the producer's KEY or -key-separator", []sarama.KError{sarama.ErrInvalidRecord}},
		{"timestamp_invalid", "the record's time is outside the range that the topic allows", "this computer's clock, and the topic's message.timestamp.after.max.ms", []sarama.KError{sarama.ErrInvalidTimestamp}},
		{"format_too_old", "the topic's format of messages is too old for this", "KAFKA_VERSION", []sarama.KError{sarama.ErrUnsupportedForMessageFormat}},
		{"codec_unsupported", "the broker does not take this codec", "KAFKA_COMPRESSION", []sarama.KError{sarama.ErrUnsupportedCompressionType}},
		{"record_corrupt", "the brokers take the record for damaged", "the network; with an old Kafka, the topic's cleanup.policy", []sarama.KError{sarama.ErrInvalidMessage}},
		{"replicas_missing", "fewer replicas are in sync than the topic demands", "the brokers, and the topic's min.insync.replicas", []sarama.KError{
			sarama.ErrNotEnoughReplicas, sarama.ErrNotEnoughReplicasAfterAppend,
		}},
		{"sequence_lost", "the brokers have lost count of this producer's records", "whether the topic was recreated, and the brokers' logs", []sarama.KError{
			sarama.ErrOutOfOrderSequenceNumber, sarama.ErrDuplicateSequenceNumber, sarama.ErrUnknownProducerID,
			sarama.ErrInvalidProducerEpoch, sarama.ErrProducerFenced, sarama.ErrInvalidProducerIDMapping,
		}},
		{"offset_out_of_range", "the offset to read from is not in the partition any more", "the topic's retention", []sarama.KError{sarama.ErrOffsetOutOfRange, errOffsetInTieredStorage}},

		// Consumer groups.
		{"assignor_mismatch", "another program is in the consumer group, with another assignor", "CONSUMERGROUP", []sarama.KError{sarama.ErrInconsistentGroupProtocol, errUnsupportedAssignor}},
		{"member_replaced", "another member of the consumer group has taken this one's place", "CONSUMERGROUP", []sarama.KError{sarama.ErrFencedInstancedId, errUnreleasedInstance}},
		{"group_full", "the consumer group is full", "CONSUMERGROUP, and the brokers' group.max.size", []sarama.KError{sarama.ErrGroupMaxSizeReached}},
		{"group_name_invalid", "the consumer group's name is not allowed", "CONSUMERGROUP", []sarama.KError{sarama.ErrInvalidGroupId}},
		{"session_timeout_invalid", "the session timeout is outside the range that the brokers allow", "the brokers' group.max.session.timeout.ms", []sarama.KError{sarama.ErrInvalidSessionTimeout}},
		{"commit_too_large", "the brokers do not take the size of a commit", "the brokers' offset.metadata.max.bytes", []sarama.KError{sarama.ErrOffsetMetadataTooLarge, sarama.ErrInvalidCommitOffsetSize}},
		{"group_rebalancing", "the consumer group is rebalancing", brokersIfLong, []sarama.KError{
			sarama.ErrRebalanceInProgress, sarama.ErrIllegalGeneration, sarama.ErrUnknownMemberId, sarama.ErrMemberIdRequired, errFencedMember, errStaleMember,
		}},
		{"coordinator_not_ready", "the consumer group's coordinator is not ready", brokersIfLong, []sarama.KError{
			sarama.ErrOffsetsLoadInProgress, sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrNotCoordinatorForConsumer,
		}},
		{"transaction_open", "a transaction has not ended", brokersIfLong, []sarama.KError{sarama.ErrUnstableOffsetCommit, sarama.ErrConcurrentTransactions}},

		// The cluster.
		{"leader_missing", "a partition has no leader", "the brokers: one may be down", []sarama.KError{
			sarama.ErrLeaderNotAvailable, sarama.ErrReplicaNotAvailable, sarama.ErrPreferredLeaderNotAvailable, sarama.ErrEligibleLeadersNotAvailable,
		}},
		{"leader_changed", "a partition's leader has just changed", brokersIfLong, []sarama.KError{
			sarama.ErrNotLeaderForPartition, sarama.ErrFencedLeaderEpoch, sarama.ErrUnknownLeaderEpoch, sarama.ErrOffsetNotAvailable, sarama.ErrReassignmentInProgress,
		}},
		{"controller_changed", "the cluster's controller has just changed", brokersIfLong, []sarama.KError{sarama.ErrNotController, sarama.ErrStaleControllerEpochCode, sarama.ErrStaleBrokerEpoch}},
		{"brokers_slow", "the brokers do not finish in time", brokersIfLong, []sarama.KError{sarama.ErrRequestTimedOut, sarama.ErrNetworkException, sarama.ErrBrokerNotAvailable}},
		{"fetch_session_lost", "a broker has forgotten what was fetched before", brokersIfLong, []sarama.KError{sarama.ErrFetchSessionIDNotFound, sarama.ErrInvalidFetchSessionEpoch}},
		{"listener_missing", "a leader has no listener of the kind that BROKERS names", "the brokers' listeners and advertised.listeners", []sarama.KError{sarama.ErrListenerNotFound}},
		{"disk_failed", "a broker's disk fails", "the brokers' disks and logs", []sarama.KError{sarama.ErrKafkaStorageError, sarama.ErrLogDirNotFound}},
		{"version_unsupported", "the broker does not know this version of the protocol", "KAFKA_VERSION", []sarama.KError{sarama.ErrUnsupportedVersion}},
		{"request_invalid", "the brokers do not understand the request", "KAFKA_VERSION, and the brokers' logs", []sarama.KError{
			sarama.ErrInvalidRequest, sarama.ErrInvalidRequiredAcks, sarama.ErrInvalidMessageSize,
		}},
		{"broker_failed", "a broker failed and does not say why", brokersLogs, []sarama.KError{sarama.ErrUnknown}},
		// Answers to requests of administrators and transactions, which these programs never send.
		{"answer_unexpected", "a broker answers what was not asked", brokersLogs, []sarama.KError{
			sarama.ErrNoError, sarama.ErrTopicAlreadyExists, sarama.ErrInvalidPartitions, sarama.ErrInvalidReplicationFactor, sarama.ErrInvalidReplicaAssignment,
			sarama.ErrInvalidConfig, sarama.ErrInvalidTxnState, sarama.ErrInvalidTransactionTimeout, sarama.ErrTransactionCoordinatorFenced,
			sarama.ErrOperationNotAttempted, sarama.ErrNonEmptyGroup, sarama.ErrGroupIDNotFound, sarama.ErrTopicDeletionDisabled,
			sarama.ErrElectionNotNeeded, sarama.ErrNoReassignmentInProgress, sarama.ErrGroupSubscribedToTopic, sarama.ErrInvalidUpdateVersion,
		}},
	}
}

// Codes of newer brokers that sarama has no name for: https://kafka.apache.org/protocol#protocol_error_codes.
const (
	errPrincipalUnreadable   sarama.KError = 97
	errUnknownTopicID        sarama.KError = 100
	errInconsistentTopicID   sarama.KError = 103
	errFetchSessionTopicID   sarama.KError = 106
	errOffsetInTieredStorage sarama.KError = 109
	errFencedMember          sarama.KError = 110
	errUnreleasedInstance    sarama.KError = 111
	errUnsupportedAssignor   sarama.KError = 112
	errStaleMember           sarama.KError = 113
)

// explainCode explains an error code that a broker sent. Kafka was reached, so the cause is always Refused.
func explainCode(code sarama.KError) Cause {
	for _, a := range codeCauses() {
		if slices.Contains(a.errors, code) {
			return Cause{Code: a.code, What: a.what, Hint: a.check, Refused: true}
		}
	}
	number := strconv.Itoa(int(code))
	return Cause{Code: UnknownErrorCode, Detail: number, What: "Kafka answers with error code " + number, Hint: brokersLogs, Refused: true}
}

// explainClient explains the errors that sarama itself makes, without an error code of Kafka's.
func explainClient(err error) (cause Cause, found bool) {
	var unreadable sarama.PacketDecodingError
	var wrong sarama.ConfigurationError
	switch {
	case errors.As(err, &unreadable), isAny(err, sarama.ErrInsufficientData, sarama.ErrIncompleteResponse, sarama.ErrUnknownMessage, sarama.ErrConsumerOffsetNotAdvanced):
		return Cause{Code: AnswerUnreadable, What: "a broker's answer cannot be read", Hint: "KAFKA_VERSION, and what listens at the port in BROKERS"}, true
	case errors.As(err, &wrong) && strings.Contains(string(wrong), "MaxMessageBytes"), isAny(err, sarama.ErrMessageTooLarge, sarama.ErrDecompressedBatchTooLarge):
		cause = explainCode(sarama.ErrMessageSizeTooLarge)
	case errors.As(err, &wrong):
		return Cause{Code: ConfigInvalid, What: "the Kafka client does not take its configuration", Hint: "the settings"}, true
	case isAny(err, sarama.ErrConsumerRetriesExhausted, sarama.ErrControllerNotAvailable, sarama.ErrBrokerNotFound, sarama.ErrInvalidPartition):
		cause = explainCode(sarama.ErrLeaderNotAvailable)
	case isAny(err, sarama.ErrShuttingDown, sarama.ErrClosedClient, sarama.ErrClosedConsumerGroup, sarama.ErrNotConnected):
		return Cause{Code: Disconnected, What: "connection closed", Hint: "BROKERS"}, true
	default:
		return Cause{}, false
	}
	cause.Refused = false // no broker sent it
	return cause, true
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}
