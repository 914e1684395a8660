// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/locationconfig"
)

// standard is the storage class of what is read and written often.
const standard = "Standard"

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

// options are the keys that a location may have. docs/objectstore.md describes them.
func options() map[string]locationconfig.Option[location] {
	return locationconfig.WithCredentials(map[string]locationconfig.Option[location]{
		"bucket":                setBucket,
		"prefix":                setPrefix,
		"caCert":                locationconfig.Text(func(l *location) *string { return &l.oss.CACert }),
		"region":                locationconfig.Region(func(l *location) *string { return &l.oss.Region }),
		"network":               locationconfig.OneOf(func(l *location) *endpoint.Network { return &l.oss.Network }, endpoint.Public, endpoint.Internal, endpoint.Accelerate, endpoint.Auto),
		"endpoint":              locationconfig.Endpoint(func(l *location) *string { return &l.oss.Endpoint }),
		"publicEndpoint":        locationconfig.Endpoint(func(l *location) *string { return &l.oss.PublicEndpoint }),
		"addressingStyle":       addressingStyle(func(l *location) *alicloud.AddressingStyle { return &l.oss.AddressingStyle }),
		"publicAddressingStyle": addressingStyle(func(l *location) *alicloud.AddressingStyle { return &l.oss.PublicAddressingStyle }),
		"serverSideEncryption":  locationconfig.OneOf(func(l *location) *string { return &l.serverSideEncryption }, "AES256", "KMS", "SM4"),
		"kmsKeyId":              locationconfig.Text(func(l *location) *string { return &l.kmsKeyID }),
		"storageClass":          setStorageClass,
		"tagging":               setTagging,
		"partSize":              setPartSize,
		"uploadConcurrency":     locationconfig.Count(func(l *location) *int { return &l.uploadConcurrency }, maxConcurrency),
		"downloadConcurrency":   locationconfig.Count(func(l *location) *int { return &l.downloadConcurrency }, maxConcurrency),
		"timeout":               locationconfig.Duration(func(l *location) *time.Duration { return &l.timeout }, time.Second, "10m"),
		"insecureSkipTLSVerify": locationconfig.Flag(func(l *location) *bool { return &l.oss.InsecureSkipVerify }),
		"notOnECS":              locationconfig.Flag(func(l *location) *bool { return &l.oss.NotOnECS }),

		// The official plugin accepts a zone in every location, and uses it for disks alone.
		"zone": locationconfig.Ignored[location],
		// Velero's own file-system backup reads these from the location, not from the plugin.
		"s3Url":            locationconfig.Ignored[location],
		"s3ForcePathStyle": locationconfig.Ignored[location],
		"resticRepoPrefix": locationconfig.Ignored[location],
	}, func(l *location) *credentials.Config { return &l.oss.Credentials })
}

func addressingStyle(of func(*location) *alicloud.AddressingStyle) locationconfig.Option[location] {
	return locationconfig.OneOf(of, alicloud.AddressingAuto, alicloud.AddressingPath, alicloud.AddressingVirtual, alicloud.AddressingCNAME)
}

// parseLocation reads the config that Velero passes to Init: the location's
// config with bucket, prefix, caCert and credentialsFile added. Its error names
// every key that is unknown or malformed, with its value and what is allowed.
func parseLocation(config map[string]string) (location, error) {
	l := location{
		storageClass:        standard,
		partSize:            defaultPartSize,
		uploadConcurrency:   defaultUploadConcurrency,
		downloadConcurrency: defaultDownloadConcurrency,
		timeout:             defaultTimeout,
		oss: alicloud.OSSConfig{
			Network:         endpoint.Public,
			AddressingStyle: alicloud.AddressingAuto,
		},
	}
	if err := locationconfig.Parse("backup storage location", config, &l, options(), (*location).contradictions); err != nil {
		return location{}, err
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
	problems = append(problems, locationconfig.CredentialsContradictions(l.oss.Credentials)...)
	if memory := l.partSize * int64(l.uploadConcurrency); memory > maxUploadMemory {
		problems = append(problems, fmt.Errorf(`keys "partSize" and "uploadConcurrency": an upload would hold %d MiB, allowed are %d MiB of the memory of Velero's pod`,
			memory/mebibyte, int64(maxUploadMemory)/mebibyte))
	}
	if l.oss.AddressingStyle == alicloud.AddressingCNAME && l.oss.Endpoint == "" {
		problems = append(problems, errors.New(`key "addressingStyle": cname needs the key endpoint, a domain that is bound to the bucket`))
	}
	if l.oss.PublicAddressingStyle != "" && l.oss.PublicEndpoint == "" {
		problems = append(problems, errors.New(`key "publicAddressingStyle" is for the endpoint in the key publicEndpoint, which is not there`))
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

// nameOfBucket is what OSS allows (OSS documentation, "Bucket naming conventions").
const nameOfBucket = "a bucket's name has 3 to 63 characters a-z, 0-9 and -, and begins and ends with a letter or digit: correct spec.objectStorage.bucket"

// setBucket refuses what the SDK would refuse without saying why, before anything is sent.
func setBucket(l *location, value string) error {
	if value != "" && !oss.IsValidBucketName(&value) {
		return errors.New(nameOfBucket)
	}
	l.bucket = value
	return nil
}

func setPrefix(l *location, value string) error {
	if trimmed := strings.Trim(value, "/"); trimmed != "" {
		l.prefix = trimmed + "/"
	}
	return nil
}

func setStorageClass(l *location, value string) error {
	if value != standard && value != "IA" {
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
