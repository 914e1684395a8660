// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
)

const (
	mebibyte = 1 << 20

	defaultPartSize            = 16 * mebibyte
	defaultUploadConcurrency   = 4
	defaultDownloadConcurrency = 4
	defaultTimeout             = 10 * time.Minute
	maxConcurrency             = 64
)

// location is the config of one backup storage location, read and checked.
type location struct {
	bucket string
	// prefix is the location's folder in the bucket with a trailing slash, or "".
	prefix string
	oss    alicloud.OSSConfig

	// serverSideEncryption is AES256, KMS, SM4 or "" for the bucket's default.
	serverSideEncryption string
	// kmsKeyID is the key for KMS; "" means the one that OSS manages.
	kmsKeyID string
	// storageClass of new objects; never "" so that an archive bucket's default cannot apply.
	storageClass string
	// tagging is in the form of a URL query, as the header x-oss-tagging takes it.
	tagging string

	// partSize is the size in bytes of the first parts of an upload.
	partSize            int64
	uploadConcurrency   int
	downloadConcurrency int
	// timeout bounds one request together with its repetitions.
	timeout time.Duration
}

// option reads the value of one key into the location. Its error says what is allowed.
type option func(l *location, value string) error

// options are the keys that a location may have. docs/objectstore.md describes them.
func options() map[string]option {
	return map[string]option{
		"bucket":                text(func(l *location) *string { return &l.bucket }),
		"prefix":                setPrefix,
		"caCert":                text(func(l *location) *string { return &l.oss.CACert }),
		"region":                setRegion,
		"network":               setNetwork,
		"endpoint":              endpointURL(func(l *location) *string { return &l.oss.Endpoint }),
		"publicEndpoint":        endpointURL(func(l *location) *string { return &l.oss.PublicEndpoint }),
		"addressingStyle":       setAddressingStyle,
		"serverSideEncryption":  oneOf(func(l *location) *string { return &l.serverSideEncryption }, "AES256", "KMS", "SM4"),
		"kmsKeyId":              text(func(l *location) *string { return &l.kmsKeyID }),
		"storageClass":          setStorageClass,
		"tagging":               setTagging,
		"partSize":              setPartSize,
		"uploadConcurrency":     count(func(l *location) *int { return &l.uploadConcurrency }),
		"downloadConcurrency":   count(func(l *location) *int { return &l.downloadConcurrency }),
		"timeout":               setTimeout,
		"insecureSkipTLSVerify": flag(func(l *location) *bool { return &l.oss.InsecureSkipVerify }),
		"credentialsFile":       text(func(l *location) *string { return &l.oss.Credentials.File }),
		"profile":               text(func(l *location) *string { return &l.oss.Credentials.Profile }),
		"roleArn":               setRoleARN,
		"roleSessionName":       text(func(l *location) *string { return &l.oss.Credentials.RoleSessionName }),
		"notOnECS":              flag(func(l *location) *bool { return &l.oss.NotOnECS }),

		// The official plugin accepts a zone in every location, and uses it for disks alone.
		"zone": ignored,
		// Velero's own file-system backup reads these from the location, not from the plugin.
		"s3Url":            ignored,
		"s3ForcePathStyle": ignored,
		"resticRepoPrefix": ignored,
	}
}

// parseLocation reads the config that Velero passes to Init: the location's
// config with bucket, prefix, caCert and credentialsFile added. Its error names
// every key that is unknown or malformed, with its value and what is allowed.
func parseLocation(config map[string]string) (location, error) {
	l := location{
		storageClass:        "Standard",
		partSize:            defaultPartSize,
		uploadConcurrency:   defaultUploadConcurrency,
		downloadConcurrency: defaultDownloadConcurrency,
		timeout:             defaultTimeout,
		oss: alicloud.OSSConfig{
			Network:         endpoint.Public,
			AddressingStyle: alicloud.AddressingAuto,
		},
	}
	known := options()
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(config)) {
		set, ok := known[key]
		if !ok {
			problems = append(problems, fmt.Errorf("unknown key %q: allowed are %s", key, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
			continue
		}
		if err := set(&l, config[key]); err != nil {
			problems = append(problems, fmt.Errorf("key %q has the value %q: %w", key, config[key], err))
		}
	}
	if len(problems) == 0 {
		problems = append(problems, l.contradictions()...)
	}
	if err := errors.Join(problems...); err != nil {
		return location{}, fmt.Errorf("reading the config of the backup storage location: %w", err)
	}
	return l, nil
}

// contradictions are the errors that no key has by itself.
func (l *location) contradictions() []error {
	var problems []error
	if l.bucket == "" {
		problems = append(problems, errors.New("no bucket: set spec.objectStorage.bucket"))
	}
	if l.kmsKeyID != "" && l.serverSideEncryption != "KMS" {
		problems = append(problems, errors.New(`key "kmsKeyId" needs serverSideEncryption: KMS`))
	}
	if l.oss.Credentials.RoleSessionName != "" && l.oss.Credentials.RoleARN == "" {
		problems = append(problems, errors.New(`key "roleSessionName" needs roleArn`))
	}
	if memory := l.partSize * int64(l.uploadConcurrency); memory > maxUploadMemory {
		problems = append(problems, fmt.Errorf(`keys "partSize" and "uploadConcurrency": an upload would hold %d MiB, allowed are %d MiB of the memory of Velero's pod`,
			memory/mebibyte, int64(maxUploadMemory)/mebibyte))
	}
	if isPlainHTTP(l.oss.PublicEndpoint) {
		problems = append(problems, errors.New(`key "publicEndpoint" must be https: signed URLs are used over the Internet`))
	}
	return problems
}

// isPlainHTTP tells whether an endpoint is another machine's over plain HTTP.
func isPlainHTTP(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && parsed.Scheme == "http" && !endpoint.IsLoopback(parsed)
}

func ignored(*location, string) error { return nil }

func text(field func(*location) *string) option {
	return func(l *location, value string) error {
		*field(l) = value
		return nil
	}
}

func oneOf(field func(*location) *string, allowed ...string) option {
	return func(l *location, value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("allowed are %s", strings.Join(allowed, ", "))
		}
		*field(l) = value
		return nil
	}
}

func flag(field func(*location) *bool) option {
	return func(l *location, value string) error {
		parsed, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New(`allowed are "true" and "false"`)
		}
		*field(l) = parsed
		return nil
	}
}

func count(field func(*location) *int) option {
	return func(l *location, value string) error {
		parsed, err := strconv.Atoi(value)
		if err != nil || parsed < 1 || parsed > maxConcurrency {
			return fmt.Errorf("allowed is a whole number from 1 to %d", maxConcurrency)
		}
		*field(l) = parsed
		return nil
	}
}

// endpointURL accepts plain HTTP where the value itself begins with http://: the
// store warns of it, unless it is this machine.
func endpointURL(field func(*location) *string) option {
	return func(l *location, value string) error {
		parsed, err := endpoint.Parse(value)
		if err != nil {
			return err
		}
		*field(l) = parsed.String()
		return nil
	}
}

func setPrefix(l *location, value string) error {
	if trimmed := strings.Trim(value, "/"); trimmed != "" {
		l.prefix = trimmed + "/"
	}
	return nil
}

func setRegion(l *location, value string) error {
	// Endpoints are written oss-cn-hangzhou, regions cn-hangzhou: people mix them up, and nothing else is meant.
	region := strings.TrimPrefix(value, "oss-")
	if !regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`).MatchString(region) {
		return errors.New("allowed is a region id such as cn-hangzhou")
	}
	l.oss.Region = region
	return nil
}

func setNetwork(l *location, value string) error {
	allowed := []endpoint.Network{endpoint.Public, endpoint.Internal, endpoint.Accelerate, endpoint.Auto}
	if !slices.Contains(allowed, endpoint.Network(value)) {
		return fmt.Errorf("allowed are %v", allowed)
	}
	l.oss.Network = endpoint.Network(value)
	return nil
}

func setAddressingStyle(l *location, value string) error {
	allowed := []alicloud.AddressingStyle{alicloud.AddressingAuto, alicloud.AddressingPath, alicloud.AddressingVirtual}
	if !slices.Contains(allowed, alicloud.AddressingStyle(value)) {
		return fmt.Errorf("allowed are %v", allowed)
	}
	l.oss.AddressingStyle = alicloud.AddressingStyle(value)
	return nil
}

func setStorageClass(l *location, value string) error {
	if value != "Standard" && value != "IA" {
		return errors.New("allowed are Standard and IA: Velero reads and rewrites its objects, " +
			"and OSS refuses to read an object of an archive class until it is restored; " +
			"let a lifecycle rule archive old backups instead")
	}
	l.storageClass = value
	return nil
}

func setTagging(l *location, value string) error {
	const maxTags = 10 // OSS documentation, "Object tagging".
	tags, err := url.ParseQuery(value)
	if err != nil || len(tags) == 0 || len(tags) > maxTags {
		return fmt.Errorf("allowed are up to %d tags in the form key1=value1&key2=value2", maxTags)
	}
	for key, values := range tags {
		if key == "" || len(values) != 1 {
			return errors.New("allowed is one value for each tag: key1=value1&key2=value2")
		}
	}
	l.tagging = tags.Encode()
	return nil
}

func setPartSize(l *location, value string) error {
	size, err := resource.ParseQuantity(value)
	if err != nil || size.Value() < minPartSize || size.Value() > maxUploadMemory {
		return errors.New("allowed is a size from 100Ki to 256Mi, such as 16Mi")
	}
	l.partSize = size.Value()
	return nil
}

func setTimeout(l *location, value string) error {
	timeout, err := time.ParseDuration(value)
	if err != nil || timeout < time.Second {
		return errors.New("allowed is a duration of at least 1s, such as 10m")
	}
	l.timeout = timeout
	return nil
}

func setRoleARN(l *location, value string) error {
	if !regexp.MustCompile(`^acs:ram::\d+:role/.+$`).MatchString(value) {
		return errors.New("allowed is the ARN of a RAM role such as acs:ram::1234567890123456:role/velero")
	}
	l.oss.Credentials.RoleARN = value
	return nil
}
