// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diagnosis"
)

// task is what was being done, in the words of the backup center's FAQ.
type task string

const (
	validating  task = "backup vault is unavailable"
	checking    task = "check backup files in OSS bucket failed"
	uploading   task = "upload backup files to OSS bucket failed"
	downloading task = "download backup files from OSS bucket failed"
	listing     task = "list backup files in OSS bucket failed"
	deleting    task = "delete backup files in OSS bucket failed"
	signing     task = "sign the URL of backup files in OSS bucket failed"
)

// said is the error's text, with the cloud's answer in the form of the backup
// center where the SDK has one of its own, of several lines.
func said(err error) string {
	text := err.Error()
	var operation *oss.OperationError
	if found := credentialsError(err); found != nil {
		text = found.Error() // It says what was asked, and what to do.
	} else if answer, ok := failure.Of(err); ok && errors.As(err, &operation) {
		text = strings.Replace(text, operation.Error(), "oss: "+answer.String(), 1)
	}
	return text
}

// credentialsError returns the error because of which there are no credentials to
// send a request with, nil if it was sent.
func credentialsError(err error) error {
	var found *credentials.Error
	if errors.As(err, &found) {
		return found
	}
	return nil
}

// fail wraps the error of a task on an object of the bucket; key may be "" for
// the bucket itself. A nil error stays nil. Velero takes an object for missing when
// the text contains "NoSuchKey", which is the cloud's own code for it.
func (b *bucket) fail(t task, key string, err error) error {
	if err == nil {
		return nil
	}
	object := fmt.Sprintf("bucket %q", b.name)
	if key != "" {
		what := "object"
		if strings.HasSuffix(key, "/") {
			what = "prefix"
		}
		object += fmt.Sprintf(", %s %q", what, key)
	}
	return &diagnosis.Error{Task: string(t), Object: object, Said: said(err), Cause: err, Remedy: b.remedy(err)}
}

// remedy returns what to do about an error; "" where the error itself says it.
func (b *bucket) remedy(err error) string {
	if credentialsError(err) != nil {
		return ""
	}
	if answer, ok := failure.Of(err); ok {
		return b.remedyForAnswer(answer)
	}
	var unknownAuthority x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	switch {
	case errors.As(err, &unknownAuthority):
		return "the server's certificate is signed by an authority that is not known here: set spec.objectStorage.caCert to its certificate"
	case errors.As(err, &wrongHost):
		return "the endpoint's certificate is for another name: check the config keys endpoint and addressingStyle"
	}
	if class := failure.Classify(err); class == failure.Unreachable || class == failure.Canceled {
		return b.remedyForSilence()
	}
	return ""
}

// remedyForSilence is for an endpoint that cannot be reached or does not answer.
// Source: backup center FAQ, "VaultError: xxx", step 3.
func (b *bucket) remedyForSilence() string {
	if b.internal() {
		return fmt.Sprintf("the internal endpoint %s is reachable only from the bucket's own region and, outside of a VPC, over a route to OSS's internal addresses; "+
			"to use the public network instead run: kubectl patch -n <velero-namespace> backupstoragelocation/<name> --type='json' "+
			`-p '[{"op":"add","path":"/spec/config","value":{"network":"public","region":"<region-id>"}}]', `+
			"which replaces the whole config: add the other keys that the location has", b.oss.Endpoint.Host)
	}
	return fmt.Sprintf("check that the cluster can reach %s: its way to the Internet, its DNS, HTTPS_PROXY; "+
		"from within the bucket's region, network: internal needs no way to the Internet", b.oss.Endpoint.Host)
}

// rules are tried in this order. Where the backup center's FAQ has a solution, this is it.
func rules() []diagnosis.Rule {
	return []diagnosis.Rule{
		{
			Code: "AccessDenied", Message: "does not belong to you",
			Remedy: "the bucket exists, but in another account, for bucket names are shared by all of OSS: check the name in spec.objectStorage.bucket, " +
				"and that the credentials are of the account that owns it",
		},
		{
			Code: "AccessDenied", Message: "must be addressed using the specified endpoint",
			Remedy: "the bucket is in another region than the location says: set the config key region (or endpoint) to the bucket's",
		},
		{
			// EC 0002-00000226 and -228: the region of the signature is not that of the host.
			Code: "InvalidArgument", Message: "signing region",
			Remedy: "the region that requests are signed for is not the endpoint's: set the config key region to the bucket's, which without it is taken from the endpoint or from this ECS instance",
		},
		{
			Message: "kms",
			Remedy: "the bucket or the location encrypts with a key in KMS that may not be used: grant the RAM user or role kms:GenerateDataKey, kms:Decrypt, kms:DescribeKey and kms:List* " +
				"on the key, and check that the key is enabled and in the bucket's region",
		},
		{Code: "NoSuchBucket", Remedy: "create the bucket in the OSS console, in the location's region, or correct spec.objectStorage.bucket; the name of a bucket cannot be guessed from another region"},
		{Code: "InvalidBucketName", Remedy: nameOfBucket},
		{
			Code: "InvalidObjectState",
			Remedy: "the object was moved to an archive storage class, probably by a lifecycle rule: restore the objects of this backup in the OSS console (or ossutil restore) and try again when they are readable; " +
				"a bucket for backups should be of class Standard, with a lifecycle rule that archives only what is no longer needed at hand",
		},
		{Code: "SecondLevelDomainForbidden", Remedy: "OSS refuses path style on this endpoint: remove the config key addressingStyle, or set it to virtual"},
		{
			// EC 0048-00000401.
			Code: "PublicEndpointForbidden",
			Remedy: "since 20 March 2025 OSS refuses new users at the public endpoints of regions in the Chinese mainland: where Velero is in the bucket's region set network: internal, " +
				"elsewhere bind a domain to the bucket in the OSS console and set endpoint to it, with addressingStyle: cname",
		},
		{Code: "SignatureDoesNotMatch", Remedy: "the AccessKey secret does not belong to the AccessKey id, or the config key region is not the bucket's: correct the credentials or the region; a changed Secret is read again without a restart"},
		{
			Class:  failure.Unauthenticated,
			Remedy: "the AccessKey was deleted, disabled or mistyped: create a new one for the RAM user and put it into the location's Secret, which is read again without a restart",
		},
		{Class: failure.Expired, Remedy: "the temporary credentials have expired and no new ones could be got: check the source of the credentials, and the clock of the node"},
		{Class: failure.Skewed, Remedy: "the clock of this node differs from the cloud's by more than 15 minutes: synchronise it (NTP)"},
		{Code: "UserDisable", Remedy: "OSS is disabled for the account, usually for an overdue payment: settle it in the billing console"},
		{
			Class: failure.Denied,
			Remedy: "the RAM user or role lacks a permission: attach the policy in deploy/ram/oss.json with the bucket's name; " +
				"on ACK managed clusters only buckets named cnfs-oss-* need none; and check the bucket's own policy",
		},
		{Class: failure.Throttled, Remedy: "OSS throttles the account: try again later, or lower uploadConcurrency and downloadConcurrency"},
		{Class: failure.Transient, Remedy: "OSS failed every attempt: try again later; if it persists give the request id to Alibaba Cloud's support"},
	}
}

func (b *bucket) remedyForAnswer(answer failure.Answer) string {
	remedy := diagnosis.Remedy(rules(), answer)
	if remedy != "" && answer.Endpoint != "" && answer.Code == "AccessDenied" {
		return fmt.Sprintf("%s; OSS names the endpoint %s", remedy, answer.Endpoint)
	}
	return remedy
}
