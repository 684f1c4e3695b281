package attacks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// requestMillis is how long the broker may take for a change of a topic, in milliseconds.
const requestMillis = 15_000

// ask sends one request to the broker.
func ask[R any](ctx context.Context, o *operator, request func(context.Context, *kgo.Client) (R, error)) (R, error) {
	client, err := o.client()
	if err != nil {
		return *new(R), err
	}
	defer client.Close()
	return request(ctx, client)
}

// describeTopic returns the topic's id and how many partitions and replicas it has.
func (o *operator) describeTopic(ctx context.Context) (kmsg.MetadataResponseTopic, error) {
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(o.target.Topic)
	r := kmsg.NewPtrMetadataRequest()
	r.Topics = append(r.Topics, topic)
	response, err := ask(ctx, o, func(ctx context.Context, c *kgo.Client) (*kmsg.MetadataResponse, error) { return r.RequestWith(ctx, c) })
	if err == nil && len(response.Topics) != 1 {
		err = errors.New("the broker does not answer about the topic")
	}
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		return kmsg.MetadataResponseTopic{}, fmt.Errorf("describing the topic: %w", err)
	}
	return response.Topics[0], nil
}

// topicConfigs returns the settings that were made for the topic.
func (o *operator) topicConfigs(ctx context.Context) ([]kmsg.CreateTopicsRequestTopicConfig, error) {
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, o.target.Topic
	r := kmsg.NewPtrDescribeConfigsRequest()
	r.Resources = append(r.Resources, resource)
	response, err := ask(ctx, o, func(ctx context.Context, c *kgo.Client) (*kmsg.DescribeConfigsResponse, error) {
		return r.RequestWith(ctx, c)
	})
	var configs []kmsg.CreateTopicsRequestTopicConfig
	if err == nil {
		for _, resource := range response.Resources {
			err = errors.Join(err, kerr.ErrorForCode(resource.ErrorCode))
			for _, c := range resource.Configs {
				if c.Source == kmsg.ConfigSourceDynamicTopicConfig {
					config := kmsg.NewCreateTopicsRequestTopicConfig()
					config.Name, config.Value = c.Name, c.Value
					configs = append(configs, config)
				}
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the topic's settings: %w", err)
	}
	return configs, nil
}

// createTopic creates a topic.
func (o *operator) createTopic(ctx context.Context, name string, partitions int, replicas int16, configs []kmsg.CreateTopicsRequestTopicConfig) error {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor, topic.Configs = name, int32(partitions), replicas, configs
	r := kmsg.NewPtrCreateTopicsRequest()
	r.Topics, r.TimeoutMillis = append(r.Topics, topic), requestMillis
	response, err := ask(ctx, o, func(ctx context.Context, c *kgo.Client) (*kmsg.CreateTopicsResponse, error) {
		return r.RequestWith(ctx, c)
	})
	if err == nil {
		for _, topic := range response.Topics {
			err = errors.Join(err, kerr.ErrorForCode(topic.ErrorCode))
		}
	}
	if err != nil {
		return fmt.Errorf("creating a topic: %w", err)
	}
	return nil
}

// deleteTopic deletes a topic. Kafka may still know it for a moment.
func (o *operator) deleteTopic(ctx context.Context, name string) error {
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = kmsg.StringPtr(name)
	r := kmsg.NewPtrDeleteTopicsRequest()
	r.Topics, r.TopicNames, r.TimeoutMillis = append(r.Topics, topic), append(r.TopicNames, name), requestMillis
	response, err := ask(ctx, o, func(ctx context.Context, c *kgo.Client) (*kmsg.DeleteTopicsResponse, error) {
		return r.RequestWith(ctx, c)
	})
	if err == nil {
		for _, topic := range response.Topics {
			err = errors.Join(err, kerr.ErrorForCode(topic.ErrorCode))
		}
	}
	if err != nil {
		return fmt.Errorf("deleting a topic: %w", err)
	}
	return nil
}

// addPartitions makes the topic have so many partitions.
func (o *operator) addPartitions(ctx context.Context, count int) error {
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = o.target.Topic, int32(count)
	r := kmsg.NewPtrCreatePartitionsRequest()
	r.Topics, r.TimeoutMillis = append(r.Topics, topic), requestMillis
	response, err := ask(ctx, o, func(ctx context.Context, c *kgo.Client) (*kmsg.CreatePartitionsResponse, error) {
		return r.RequestWith(ctx, c)
	})
	if err == nil {
		for _, topic := range response.Topics {
			err = errors.Join(err, kerr.ErrorForCode(topic.ErrorCode))
		}
	}
	if err != nil {
		return fmt.Errorf("adding a partition: %w", err)
	}
	return nil
}

// recreateTopic deletes the topic and creates it again, with the same partitions and settings, also if ctx ends in between.
func (o *operator) recreateTopic(ctx context.Context) error {
	before, err := o.describeTopic(ctx)
	if err != nil {
		return err
	}
	partitions := len(before.Partitions)
	configs, err := o.topicConfigs(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := o.deleteTopic(ctx, o.target.Topic); err != nil {
		return err
	}
	if o.target.OnDeleted != nil {
		o.target.OnDeleted()
	}
	for {
		err := o.createTopic(ctx, o.target.Topic, partitions, int16(len(before.Partitions[0].Replicas)), configs)
		if err == nil || !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
		// Kafka has not deleted it yet, or a program that writes to it was faster.
		if now, err := o.describeTopic(ctx); err == nil && now.TopicID != before.TopicID {
			if len(now.Partitions) < partitions {
				return o.addPartitions(ctx, partitions)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pollEvery):
		}
	}
}
