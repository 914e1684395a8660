// SPDX-License-Identifier: Apache-2.0

// Package locationconfig reads the config of a BackupStorageLocation or a
// VolumeSnapshotLocation. A plugin describes the keys that it knows as a table of
// options; a mistake names the key, its value and what is allowed.
package locationconfig

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
)

// Option reads the value of one key into the location L. Its error says what is allowed.
type Option[L any] func(location *L, value string) error

// Parse reads config into location, which holds the defaults. Every key that has
// no option, and every value that its option refuses, is in the error. Where there
// is none, contradictions returns the errors that no key has by itself.
func Parse[L any](kind string, config map[string]string, location *L, options map[string]Option[L], contradictions func(*L) []error) error {
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(config)) {
		set, ok := options[key]
		if !ok {
			problems = append(problems, fmt.Errorf("unknown key %q: allowed are %s", key, strings.Join(slices.Sorted(maps.Keys(options)), ", ")))
			continue
		}
		if err := set(location, config[key]); err != nil {
			problems = append(problems, fmt.Errorf("key %q has the value %q: %w", key, config[key], err))
		}
	}
	if len(problems) == 0 {
		problems = contradictions(location)
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("reading the config of the %s: %w", kind, err)
	}
	return nil
}

// Ignored is for a key that somebody else reads.
func Ignored[L any](*L, string) error { return nil }

// Text takes any value.
func Text[L any](field func(*L) *string) Option[L] {
	return func(l *L, value string) error {
		*field(l) = value
		return nil
	}
}

// OneOf takes one of the allowed values.
func OneOf[L any, V ~string](field func(*L) *V, allowed ...V) Option[L] {
	names := make([]string, 0, len(allowed))
	for _, name := range allowed {
		names = append(names, string(name))
	}
	return func(l *L, value string) error {
		if !slices.Contains(names, value) {
			return fmt.Errorf("allowed are %s", strings.Join(names, ", "))
		}
		*field(l) = V(value)
		return nil
	}
}

// Flag takes "true" and "false".
func Flag[L any](field func(*L) *bool) Option[L] {
	return func(l *L, value string) error {
		parsed, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New(`allowed are "true" and "false"`)
		}
		*field(l) = parsed
		return nil
	}
}

// Count takes a whole number from 1 to most.
func Count[L any](field func(*L) *int, most int) Option[L] {
	return func(l *L, value string) error {
		parsed, err := strconv.Atoi(value)
		if err != nil || parsed < 1 || parsed > most {
			return fmt.Errorf("allowed is a whole number from 1 to %d", most)
		}
		*field(l) = parsed
		return nil
	}
}

// Duration takes a duration in the form of time.ParseDuration.
func Duration[L any](field func(*L) *time.Duration, least time.Duration, example string) Option[L] {
	return func(l *L, value string) error {
		parsed, err := time.ParseDuration(value)
		if err != nil || parsed < least {
			return fmt.Errorf("allowed is a duration of at least %s, such as %s", least, example)
		}
		*field(l) = parsed
		return nil
	}
}

// Endpoint takes a host or a URL. It accepts plain HTTP where the value itself
// begins with http://.
func Endpoint[L any](field func(*L) *string) Option[L] {
	return func(l *L, value string) error {
		parsed, err := endpoint.Parse(value)
		if err != nil {
			return err
		}
		*field(l) = parsed.String()
		return nil
	}
}

// Region takes the id of a region.
func Region[L any](field func(*L) *string) Option[L] {
	return func(l *L, value string) error {
		// Endpoints of OSS are written oss-cn-hangzhou, regions cn-hangzhou: people mix them up, and nothing else is meant.
		region := strings.TrimPrefix(value, "oss-")
		if !regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`).MatchString(region) {
			return errors.New("allowed is a region id such as cn-hangzhou")
		}
		*field(l) = region
		return nil
	}
}

// WithCredentials adds the keys that say where a location's credentials come from.
func WithCredentials[L any](options map[string]Option[L], field func(*L) *credentials.Config) map[string]Option[L] {
	options["credentialsFile"] = Text(func(l *L) *string { return &field(l).File })
	options["profile"] = Text(func(l *L) *string { return &field(l).Profile })
	options["roleSessionName"] = Text(func(l *L) *string { return &field(l).RoleSessionName })
	options["roleArn"] = func(l *L, value string) error {
		if !regexp.MustCompile(`^acs:ram::\d+:role/.+$`).MatchString(value) {
			return errors.New("allowed is the ARN of a RAM role such as acs:ram::1234567890123456:role/velero")
		}
		field(l).RoleARN = value
		return nil
	}
	return options
}

// CredentialsContradictions are the errors that the keys of WithCredentials have together.
func CredentialsContradictions(c credentials.Config) []error {
	if c.RoleSessionName != "" && c.RoleARN == "" {
		return []error{errors.New(`key "roleSessionName" needs roleArn`)}
	}
	return nil
}
