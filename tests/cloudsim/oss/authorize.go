// SPDX-License-Identifier: Apache-2.0

package oss

import (
	"errors"
	"net/http"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
)

// authenticate finds out who signed the request.
func (s *Service) authenticate(c *call) error {
	signed, err := c.parseSignature()
	if err != nil {
		return err
	}
	if signed == nil {
		c.anonymous = true
		return nil
	}
	c.entry.AccessKeyID = signed.accessKeyID
	secret, caller, err := s.accounts.Key(signed.accessKeyID, signed.securityToken)
	if err != nil {
		return refuseKey(signed, err)
	}
	if caller.Session && c.effect.ExpireToken {
		return refuseKey(signed, account.ErrExpiredToken)
	}
	if err := signed.verify(secret); err != nil {
		return err
	}
	c.caller = caller.WithRequest(c.request)
	c.entry.Caller = caller.ARN
	return nil
}

func refuseKey(signed *signature, err error) error {
	forbidden := func(code, message string) *apiError {
		return newError(http.StatusForbidden, code, message)
	}
	const unknown = "The OSS Access Key Id you provided does not exist in our records."
	var refusal *apiError
	switch {
	case errors.Is(err, account.ErrExpiredToken):
		return forbidden("SecurityTokenExpired", "The security token you provided has expired.")
	case errors.Is(err, account.ErrInvalidToken) && signed.securityToken == "":
		// A temporary key without its token is documented as a key that does not exist.
		refusal = forbidden("InvalidAccessKeyId", unknown).withEC(ecUnknownKey)
	case errors.Is(err, account.ErrInvalidToken) && !strings.HasPrefix(signed.accessKeyID, "STS."):
		// A key of a RAM user with a token is looked up, in vain, among the keys of STS.
		refusal = forbidden("InvalidAccessKeyId", unknown).withEC(ecTokenWithoutSTS)
	case errors.Is(err, account.ErrInvalidToken):
		return forbidden("InvalidSecurityToken", "The security token you provided is invalid.")
	case errors.Is(err, account.ErrInactiveKey):
		refusal = forbidden("InvalidAccessKeyId", "The OSS Access Key Id you provided is disabled.")
	case errors.Is(err, account.ErrUnknownKey):
		refusal = forbidden("InvalidAccessKeyId", unknown).withEC(ecUnknownKey)
	default:
		return err
	}
	return refusal.with("OSSAccessKeyId", signed.accessKeyID)
}

// authorize decides whether the caller may do what the request asks for.
func (s *Service) authorize(c *call) error {
	if c.op.scope == onService {
		if c.anonymous || !s.allowsAny(c.caller, c.op.actions, "acs:oss:*:"+c.caller.AccountID+":*") {
			return accessDenied("AccessDenied")
		}
		return nil
	}
	if c.op.creates {
		if c.anonymous || !s.allowsAny(c.caller, c.op.actions, objectARN(c.caller.AccountID, c.bucket, "")) {
			return accessDenied("AccessDenied")
		}
		return nil
	}
	if len(c.op.actions) == 0 {
		return nil
	}
	return s.permit(c, c.config, c.key, c.op.actions...)
}

// permit says whether the caller may do any of the actions on an object of a bucket, or on the bucket where the
// key is empty.
func (s *Service) permit(c *call, bucket BucketConfig, key string, actions ...string) error {
	if aclPermits(bucket.ACL, actions) {
		return nil
	}
	switch {
	case c.anonymous && key == "":
		return accessDenied("Anonymous user has no right to access this bucket.").with("Bucket", bucket.Name)
	case c.anonymous:
		return accessDenied("Anonymous user has no right to access this object.").with("Bucket", bucket.Name)
	case c.caller.AccountID != bucket.Owner:
		return notYourBucket(bucket.Name)
	}
	caller := c.caller
	if key == "" {
		caller = caller.With("oss:Prefix", c.query.Get(paramPrefix)).With("oss:Delimiter", c.query.Get(paramDelimiter))
	}
	if s.allowsAny(caller, actions, objectARN(bucket.Owner, bucket.Name, key)) {
		return nil
	}
	if c.op.admin {
		return notYourBucket(bucket.Name)
	}
	return noRight()
}

func (s *Service) allowsAny(caller account.Caller, actions []string, resource string) bool {
	for _, action := range actions {
		if s.accounts.Allows(caller, action, resource) {
			return true
		}
	}
	return false
}

// objectARN names a bucket or an object for RAM. The region is always the asterisk: OSS accepts no other there.
func objectARN(owner, bucket, key string) string {
	arn := "acs:oss:*:" + owner + ":" + bucket
	if key != "" {
		arn += "/" + key
	}
	return arn
}

// aclPermits says whether a bucket's ACL lets everybody do one of the actions.
func aclPermits(acl string, actions []string) bool {
	for _, action := range actions {
		switch action {
		case "oss:GetObject", "oss:ListObjects", "oss:GetBucket":
			if acl == ACLPublicRead || acl == ACLPublicReadWrite {
				return true
			}
		case "oss:PutObject", "oss:DeleteObject", "oss:AbortMultipartUpload":
			if acl == ACLPublicReadWrite {
				return true
			}
		}
	}
	return false
}

// permitKMS says whether the caller may use the key of an encryption: kms:GenerateDataKey to write, kms:Decrypt to
// read. Only the algorithm KMS takes a permission.
func (s *Service) permitKMS(c *call, bucket BucketConfig, e Encryption, action string) error {
	if e.Algorithm != EncryptionKMS {
		return nil
	}
	key := e.KMSKeyID
	if key == "" {
		key = "alias/acs/oss"
	}
	if c.anonymous || !s.accounts.Allows(c.caller, action, "acs:kms:"+bucket.Region+":"+bucket.Owner+":key/"+key) {
		return forbiddenByKMS()
	}
	return nil
}
