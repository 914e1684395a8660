// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
)

// defaults is the location of a config with nothing but a bucket.
func defaults(change func(*location)) location {
	l := location{
		bucket:              "cnfs-oss-backup",
		storageClass:        "Standard",
		partSize:            16 << 20,
		uploadConcurrency:   4,
		downloadConcurrency: 4,
		timeout:             10 * time.Minute,
		oss:                 alicloud.OSSConfig{Network: "public", AddressingStyle: "auto"},
	}
	change(&l)
	return l
}

func TestParseLocation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config map[string]string
		want   location
	}{
		{
			name: "a bucket is enough",
			want: defaults(func(*location) {}),
		},
		{
			name:   "the prefix gets a slash behind it and none in front",
			config: map[string]string{"prefix": "/a/b/"},
			want:   defaults(func(l *location) { l.prefix = "a/b/" }),
		},
		{
			name:   "the patch of the backup center's FAQ",
			config: map[string]string{"network": "public", "region": "cn-hangzhou"},
			want:   defaults(func(l *location) { l.oss.Region = "cn-hangzhou" }),
		},
		{
			name:   "a region that is written as in an endpoint",
			config: map[string]string{"region": "oss-cn-hangzhou"},
			want:   defaults(func(l *location) { l.oss.Region = "cn-hangzhou" }),
		},
		{
			name: "the official plugin's keys",
			config: map[string]string{
				"region": "cn-beijing", "zone": "cn-beijing-k", "network": "internal", "notOnECS": "true",
				"endpoint": "oss-cn-beijing-internal.aliyuncs.com", "credentialsFile": "/credentials/cloud",
			},
			want: defaults(func(l *location) {
				l.oss.Region, l.oss.Network, l.oss.NotOnECS = "cn-beijing", "internal", true
				l.oss.Endpoint = "https://oss-cn-beijing-internal.aliyuncs.com"
				l.oss.Credentials.File = "/credentials/cloud"
			}),
		},
		{
			name:   "what Velero's own file-system backup reads is accepted",
			config: map[string]string{"s3Url": "https://s3.oss-cn-hangzhou.aliyuncs.com", "s3ForcePathStyle": "false", "resticRepoPrefix": "x"},
			want:   defaults(func(*location) {}),
		},
		{
			name: "every key of our own",
			config: map[string]string{
				"region": "cn-hangzhou", "network": "auto", "publicEndpoint": "https://backups.example.com", "addressingStyle": "virtual",
				"publicAddressingStyle": "cname",
				"serverSideEncryption":  "KMS", "kmsKeyId": "key-1", "storageClass": "IA", "tagging": "team=storage&cost=42",
				"partSize": "32Mi", "uploadConcurrency": "2", "downloadConcurrency": "8", "timeout": "90s",
				"insecureSkipTLSVerify": "true", "caCert": "PEM", "profile": "prod",
				"roleArn": "acs:ram::1234567890123456:role/velero", "roleSessionName": "velero-prod",
			},
			want: defaults(func(l *location) {
				l.oss = alicloud.OSSConfig{
					Region: "cn-hangzhou", Network: "auto", PublicEndpoint: "https://backups.example.com", AddressingStyle: "virtual",
					PublicAddressingStyle: "cname",
					CACert:                "PEM", InsecureSkipVerify: true,
					Credentials: credentials.Config{Profile: "prod", RoleARN: "acs:ram::1234567890123456:role/velero", RoleSessionName: "velero-prod"},
				}
				l.serverSideEncryption, l.kmsKeyID, l.storageClass, l.tagging = "KMS", "key-1", "IA", "cost=42&team=storage"
				l.partSize, l.uploadConcurrency, l.downloadConcurrency, l.timeout = 32<<20, 2, 8, 90*time.Second
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := map[string]string{"bucket": "cnfs-oss-backup", "prefix": ""}
			for key, value := range tt.config {
				config[key] = value
			}
			got, err := parseLocation(config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(location{})); diff != "" {
				t.Errorf("location differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLocationRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config map[string]string
		want   []string
	}{
		{"an unknown key, and names the known ones", map[string]string{"regoin": "cn-hangzhou"}, []string{`unknown key "regoin"`, "region", "network"}},
		{"a network that is none", map[string]string{"network": "vpc"}, []string{`key "network"`, `"vpc"`, "public, internal, accelerate, auto"}},
		{"a region with a slip", map[string]string{"region": "China (Hangzhou)"}, []string{`key "region"`, "cn-hangzhou"}},
		{"an archive class, and says why", map[string]string{"storageClass": "Archive"}, []string{`key "storageClass"`, "Standard and IA", "lifecycle rule"}},
		{"an encryption that OSS lacks", map[string]string{"serverSideEncryption": "aes"}, []string{"AES256, KMS, SM4"}},
		{"a KMS key without KMS", map[string]string{"kmsKeyId": "key-1"}, []string{"serverSideEncryption: KMS"}},
		{"a session without a role", map[string]string{"roleSessionName": "x"}, []string{"roleArn"}},
		{"a role that is no ARN", map[string]string{"roleArn": "velero"}, []string{"acs:ram::"}},
		{"parts that OSS refuses", map[string]string{"partSize": "10Ki"}, []string{"100Ki to 256Mi"}},
		{"more memory than Velero's pod has", map[string]string{"partSize": "64Mi", "uploadConcurrency": "8"}, []string{`"partSize" and "uploadConcurrency"`, "512 MiB", "256 MiB"}},
		{"parts without a unit that is one", map[string]string{"partSize": "many"}, []string{"100Ki to 256Mi"}},
		{"no concurrency", map[string]string{"uploadConcurrency": "0"}, []string{"1 to 64"}},
		{"a concurrency that is no number", map[string]string{"downloadConcurrency": "four"}, []string{"1 to 64"}},
		{"a timeout without a unit", map[string]string{"timeout": "30"}, []string{"at least 1s"}},
		{"a flag that is neither", map[string]string{"insecureSkipTLSVerify": "yes please"}, []string{`"true" and "false"`}},
		{"an endpoint with the bucket in its path", map[string]string{"endpoint": "https://oss-cn-hangzhou.aliyuncs.com/b"}, []string{`key "endpoint"`}},
		{"signed URLs over plain http", map[string]string{"publicEndpoint": "http://backups.example.com"}, []string{"must be https"}},
		{"an addressing style that is none", map[string]string{"addressingStyle": "dns"}, []string{"auto, path, virtual, cname"}},
		{"a bound domain that is not named", map[string]string{"addressingStyle": "cname", "region": "cn-hangzhou"}, []string{`"addressingStyle"`, "needs the key endpoint"}},
		{"an addressing style of no public endpoint", map[string]string{"publicAddressingStyle": "cname"}, []string{`"publicAddressingStyle"`, "publicEndpoint"}},
		{"two values for one tag", map[string]string{"tagging": "a=1&a=2"}, []string{"one value for each tag"}},
		{"eleven tags", map[string]string{"tagging": "a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k="}, []string{"up to 10 tags"}},
		{"two mistakes at once, and names both", map[string]string{"network": "x", "timeout": "y"}, []string{`"network"`, `"timeout"`}},
		{"a name that no bucket has", map[string]string{"bucket": "My_Bucket"}, []string{`key "bucket"`, `"My_Bucket"`, "3 to 63 characters a-z, 0-9 and -", "spec.objectStorage.bucket"}},
		{"no bucket", map[string]string{"bucket": ""}, []string{"spec.objectStorage.bucket"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := map[string]string{"bucket": "cnfs-oss-backup"}
			for key, value := range tt.config {
				config[key] = value
			}
			_, err := parseLocation(config)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}
