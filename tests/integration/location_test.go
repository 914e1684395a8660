// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

func (s *suite) testPluginIsListed(t *testing.T) {
	t.Parallel()
	var listed []string
	for line := range strings.Lines(s.cli(t, "plugin", "get")) {
		if fields := strings.Fields(line); len(fields) == 2 && strings.Contains(fields[0], "alibabacloud") {
			listed = append(listed, strings.Join(fields, " "))
		}
	}
	// Velero lists actions of version 1 twice: it offers each under both versions.
	wantEqual(t, "our plugins in the output of velero plugin get", slices.Compact(listed), []string{
		"alibabacloud.com/ingress-class BackupItemAction",
		"alibabacloud.com/system-namespaces BackupItemAction",
		"alibabacloud.com/system-namespaces-cluster-scoped BackupItemAction",
		"alibabacloud.com/unmounted-volumes BackupItemAction",
		"alibabacloud.com/volume-secrets BackupItemAction",
		"alibabacloud.com/volume-topology BackupItemAction",
		"alibabacloud.com/snapshot-progress BackupItemActionV2",
		"velero.io/alibabacloud ObjectStore",
		"alibabacloud.com/access-modes RestoreItemAction",
		"alibabacloud.com/annotations RestoreItemAction",
		"alibabacloud.com/api-version RestoreItemAction",
		"alibabacloud.com/disk-size RestoreItemAction",
		"alibabacloud.com/flexvolume-to-csi RestoreItemAction",
		"alibabacloud.com/image-mapping RestoreItemAction",
		"alibabacloud.com/ingress-class RestoreItemAction",
		"alibabacloud.com/load-balancer RestoreItemAction",
		"alibabacloud.com/storage-class-mapping RestoreItemAction",
		"alibabacloud.com/volume-secrets RestoreItemAction",
		"alibabacloud.com/volume-ready RestoreItemActionV2",
		"alibabacloud.com/hbr VolumeSnapshotter",
		"velero.io/alibabacloud VolumeSnapshotter",
	})
}

// realEndpoints makes a location use the endpoints of its region, which the server reaches through the proxy.
func realEndpoints(extra map[string]string) map[string]string {
	config := map[string]string{"endpoint": ""}
	for key, value := range extra {
		config[key] = value
	}
	return config
}

func (s *suite) testWrongLocations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options vaultOptions
		// key, if not nil, returns the key that the Secret holds instead of the user's.
		key func(*vault) cloudsim.AccessKey
		// spoil, if not nil, makes wrong what options cannot.
		spoil func(*vault) error
		want  []string
	}{
		{
			name:    "unknown-key",
			options: vaultOptions{config: map[string]string{"regoin": region}},
			want:    []string{`unknown key "regoin": allowed are addressingStyle, bucket,`},
		},
		{
			name:    "malformed-value",
			options: vaultOptions{config: map[string]string{"partSize": "1Ki"}},
			want:    []string{`key "partSize" has the value "1Ki": allowed is a size from 100Ki to 256Mi, such as 16Mi`},
		},
		{
			name: "unknown-access-key",
			key: func(v *vault) cloudsim.AccessKey {
				return cloudsim.AccessKey{ID: "LTAInobody", Secret: v.secrets.keep("nobodys-secret-key")}
			},
			want: []string{"backup vault is unavailable: ", "ErrorCode=InvalidAccessKeyId", "the AccessKey was deleted, disabled or mistyped"},
		},
		{
			name:  "disabled-access-key",
			spoil: func(v *vault) error { return v.cloud.Accounts().DisableKey(v.key.ID) },
			want:  []string{"backup vault is unavailable: ", "the AccessKey was deleted, disabled or mistyped"},
		},
		{
			name: "wrong-secret",
			key: func(v *vault) cloudsim.AccessKey {
				return cloudsim.AccessKey{ID: v.key.ID, Secret: v.secrets.keep("not-the-secret-key")}
			},
			want: []string{"ErrorCode=SignatureDoesNotMatch", "the AccessKey secret does not belong to the AccessKey id"},
		},
		{
			name:  "missing-bucket",
			spoil: func(v *vault) error { return v.cloud.OSS().DeleteBucket(v.bucket) },
			want:  []string{"ErrorCode=NoSuchBucket", "create the bucket in the OSS console"},
		},
		{
			name:    "wrong-region",
			options: vaultOptions{bucket: oss.BucketConfig{Region: "cn-beijing"}, config: realEndpoints(nil)},
			want: []string{
				"the bucket is in another region than the location says",
				"OSS names the endpoint oss-cn-beijing.aliyuncs.com",
			},
		},
		{
			name: "insufficient-policy",
			options: vaultOptions{
				policy: `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}`,
			},
			want: []string{"ErrorCode=AccessDenied", "attach the policy in deploy/ram/oss.json"},
		},
		{
			name:    "foreign-bucket",
			options: vaultOptions{bucket: oss.BucketConfig{Owner: strangerID}},
			want: []string{
				`backup vault is unavailable: oss: service returned error: StatusCode=403, ErrorCode=AccessDenied, ` +
					`ErrorMessage="The bucket you access does not belong to you."`,
				"in another account",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &vault{suite: s, name: c.name, account: accountID, bucket: "cnfs-oss-" + c.name}
			v.createBucket(t, c.options.bucket)
			v.createUser(t, c.options)
			v.key = v.newKey(t)
			used := v.key
			if c.key != nil {
				used = c.key(v)
			}
			v.writeSecret(t, dotenv(used))
			if c.spoil != nil {
				must(t, c.spoil(v))
			}
			v.createLocation(t, c.options)
			v.waitUnavailableAtOnce(t, c.want...)
		})
	}
}

// faqPatch is the patch of the backup center's FAQ for a vault that must be accessed over the public network
// ("VaultError: xxx", solution 3), word for word but for the region that the reader is to put in.
const faqPatch = `[{"op":"add","path":"/spec/config","value":{"network":"public","region":"<region-id>"}}]`

func (s *suite) testUnreachableEndpointIsMended(t *testing.T) {
	t.Parallel()
	v := s.newVault(t, "unreachable", vaultOptions{config: realEndpoints(map[string]string{"network": "internal"})})
	v.waitUnavailableAtOnce(t,
		"backup vault is unavailable: ",
		"the internal endpoint oss-cn-hangzhou-internal.aliyuncs.com is reachable only from the bucket's own region",
		"kubectl patch", faqPatch,
	)
	patch := strings.ReplaceAll(faqPatch, "<region-id>", region)
	location := &velerov1.BackupStorageLocation{ObjectMeta: inVelero(v.name)}
	must(t, s.cp.Client.Patch(t.Context(), location, client.RawPatch(types.JSONPatchType, []byte(patch))))
	v.waitAvailable(t)

	s.newNamespace(t, "unreachable")
	v.completedBackup(t, "mended", "unreachable")
	for _, request := range v.requests() {
		if want := v.bucket + ".oss-cn-hangzhou.aliyuncs.com"; request.Host != want || !request.TLS {
			t.Fatalf("a %s was for host %s (TLS %t), want %s over TLS", request.Operation, request.Host, request.TLS, want)
		}
	}
}
