# Checks address ranges. lib.sh sources this file; it is not a program.
# shellcheck shell=bash

# isRange TEXT: whether the text is a range of IPv4 or IPv6 addresses that both Kubernetes and Azure accept: no leading
# zeros, and no bits behind the prefix.
isRange() {
	local address=${1%/*} bits=${1##*/} width=8 group
	local -a groups=()
	[[ $1 == */* && $bits =~ ^(0|[1-9][0-9]{0,2})$ ]] || return 1
	if [[ $address == *:* ]]; then
		width=16
		parseIPv6 "$address" || return 1
	else
		[[ $address =~ ^(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}$ ]] || return 1
		IFS=. read -ra groups <<<"$address"
		for group in "${groups[@]}"; do ((group <= 255)) || return 1; done
	fi
	((bits <= ${#groups[@]} * width)) || return 1
	for group in "${groups[@]}"; do
		if ((bits <= 0)); then
			((group == 0)) || return 1
		elif ((bits < width)); then
			(((group & ((1 << (width - bits)) - 1)) == 0)) || return 1
		fi
		((bits -= width)) || true
	done
}

# parseIPv6 ADDRESS: stores the eight 16-bit groups in the caller's $groups.
parseIPv6() {
	local address=$1 left right group zeros
	local -a front=() back=()
	[[ $address =~ ^[0-9a-fA-F:]+$ ]] || return 1
	if [[ $address == *::* ]]; then
		left=${address%%::*} right=${address#*::}
		[[ $right != *::* && $right != :* ]] || return 1
	else
		left=$address right=
	fi
	[[ $left != :* && $left != *: && $right != *: ]] || return 1
	IFS=: read -ra front <<<"$left"
	IFS=: read -ra back <<<"$right"
	zeros=$((8 - ${#front[@]} - ${#back[@]}))
	if [[ $address == *::* ]]; then ((zeros >= 1)) || return 1; else ((zeros == 0)) || return 1; fi
	for group in "${front[@]}" "${back[@]}"; do [[ $group =~ ^[0-9a-fA-F]{1,4}$ ]] || return 1; done
	for group in "${front[@]}"; do groups+=($((16#$group))); done
	for ((; zeros > 0; zeros--)); do groups+=(0); done
	for group in "${back[@]}"; do groups+=($((16#$group))); done
}
